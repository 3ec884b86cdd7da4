/// A property of the trained slots, found for any part of the flat buffer without looking at all slots: runs of neighbouring
/// slots that share a value.
package struct SlotRuns<Value: Equatable & Sendable>: Sendable {
    private struct Run: Sendable {
        var range: Range<Int>
        let value: Value
    }

    private var runs: [Run] = []
    /// For each block the first run that reaches into it or lies behind it.
    private var firstOfBlock: [Int] = []

    /// - Parameters:
    ///   - withPadding: whether padding behind a slot counts as the slot's, so that neighbours are one run.
    ///   - value: of a slot; nil where it is to be left out.
    package init(_ layout: ParameterLayout, withPadding: Bool, _ value: (ParameterSlot) -> Value?) {
        let trained = layout.slots.filter { $0.region == .trained }
        for (index, slot) in trained.enumerated() {
            guard let value = value(slot) else { continue }
            let next = index + 1 < trained.count ? trained[index + 1].offset : layout.trainedCount
            let end = withPadding ? next : slot.range.upperBound
            if let last = runs.last, last.value == value, last.range.upperBound == slot.offset {
                runs[runs.count - 1].range = last.range.lowerBound..<end
            } else {
                runs.append(Run(range: slot.offset..<end, value: value))
            }
        }
        isEmpty = runs.isEmpty
        var run = 0
        for block in 0..<layout.blockCount {
            while run < runs.count, runs[run].range.upperBound <= block * ParameterLayout.blockSize { run += 1 }
            firstOfBlock.append(run)
        }
    }

    /// Whether no slot has a value. Stored: asked in every step, and what a generic array answers takes a look-up of its type.
    package let isEmpty: Bool

    /// Calls `body` for every part of `range` that has a value, from front to back.
    @inline(__always)
    package func forEach(in range: Range<Int>, _ body: (_ part: Range<Int>, _ value: Value) -> Void) {
        guard !range.isEmpty else { return }
        let block = range.lowerBound / ParameterLayout.blockSize
        precondition(block >= 0 && block < firstOfBlock.count, "elements \(range) of \(firstOfBlock.count) blocks")
        var index = firstOfBlock[block]
        while index < runs.count, runs[index].range.lowerBound < range.upperBound {
            let part = runs[index].range.clamped(to: range)
            if !part.isEmpty { body(part, runs[index].value) }
            index += 1
        }
    }
}
