extension DataSplits {
    /// The bytes of memory that the samples take: those of a file that is mapped, and those that were allocated. Splits of
    /// one file share them. Files of tokens take none: training needs a page of them at a time.
    package var byteCount: (mapped: Int, allocated: Int) {
        let splits = [train, validation].compactMap { $0 }
        var mapped = 0
        var allocated = 0
        var seen: Set<UnsafeRawPointer> = []
        func add(_ base: UnsafeRawPointer?, _ bytes: Int, isMapped: Bool = false) {
            guard let base, seen.insert(base).inserted else { return }
            if isMapped { mapped += bytes } else { allocated += bytes }
        }
        for split in splits {
            switch split.inputs {
            case .ready(let values, _): values.withUnsafeBytes { add($0.baseAddress, $0.count) }
            case .sequences(let sequences): sequences.forEachAllocation { add($0, $1) }
            case .series(let windows): windows.forEachAllocation { add($0, $1) }
            case .steps(let steps): steps.forEachAllocation { add($0, $1) }
            case .windows(let windows): windows.store.forEachAllocation { add($0, $1) }
            case .encoded(let samples, _):
                add(samples.region.base, samples.region.count, isMapped: samples.region.isMapped)
            }
            switch split.targets {
            case .classes(let classes)?: classes.withUnsafeBytes { add($0.baseAddress, $0.count) }
            case .values(let values)?: values.withUnsafeBytes { add($0.baseAddress, $0.count) }
            case .nextTokens?, .rowsBehind?, nil: break
            }
            split.weights?.withUnsafeBytes { add($0.baseAddress, $0.count) }
            split.rows?.withUnsafeBytes { add($0.baseAddress, $0.count) }
        }
        return (mapped, allocated)
    }
}
