import Diagnostics

/// The order in which the elements of an array lie, against the one that samples need: sample by sample, channels first, the
/// last dimension fastest.
struct ArrayOrder {
    /// As samples need them.
    let dimensions: [Int]
    /// How many elements apart neighbours along each of them lie.
    private let strides: [Int]

    init(_ header: NPYHeader, channelsLast: Bool, path: String) throws {
        var strides = header.dimensions
        var step = 1
        let all = Array(strides.indices)
        for index in header.isFortran ? all : all.reversed() {
            strides[index] = step
            step *= header.dimensions[index]
        }
        guard channelsLast else {
            dimensions = header.dimensions
            self.strides = strides
            return
        }
        guard all.count == 4 else {
            throw Failure(
                .badConfiguration,
                "\(path): samples of \(all.count - 1) dimensions; data.channels_last needs [height, width, channels]: leave it "
                    + "out")
        }
        let order = [0, 3, 1, 2]
        dimensions = order.map { header.dimensions[$0] }
        self.strides = order.map { strides[$0] }
    }

    /// Whether the elements lie as they are needed.
    var isPlain: Bool {
        var step = 1
        for index in dimensions.indices.reversed() {
            // Along a dimension of one there are no neighbours.
            if dimensions[index] > 1, strides[index] != step { return false }
            step *= dimensions[index]
        }
        return true
    }

    /// A copy of the elements in the order that is needed.
    func reorder(_ source: ByteRegion, offset: Int, elementByteCount: Int, path: String) throws -> ByteRegion {
        let count = dimensions.reduce(1, *)
        precondition(offset + count * elementByteCount <= source.count, "\(count) elements at \(offset) of \(source.count)")
        return try ByteRegion(count: count * elementByteCount, name: path) { target in
            guard let output = target.baseAddress else { return }
            let input = source.base + offset
            // Every place is a sum of index · stride with indices below the dimensions, so below `count`.
            switch elementByteCount {
            case 1:
                forEachPlace {
                    output.storeBytes(of: input.load(fromByteOffset: $1, as: UInt8.self), toByteOffset: $0, as: UInt8.self)
                }
            case 2: copy(UInt16.self, input, output)
            case 4: copy(UInt32.self, input, output)
            default: copy(UInt64.self, input, output)
            }
        }
    }

    private func copy<Bits: BitwiseCopyable>(
        _: Bits.Type, _ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer
    ) {
        let size = MemoryLayout<Bits>.size
        forEachPlace { target, source in
            output.storeBytes(
                of: input.loadUnaligned(fromByteOffset: source * size, as: Bits.self), toByteOffset: target * size,
                as: Bits.self)
        }
    }

    /// Calls `body` for every element: its place as it is needed, in order, and where it lies.
    private func forEachPlace(_ body: (_ target: Int, _ source: Int) -> Void) {
        let last = dimensions.count - 1
        var index = [Int](repeating: 0, count: dimensions.count)
        var target = 0
        var start = 0
        while true {
            for step in 0..<dimensions[last] { body(target + step, start + step * strides[last]) }
            target += dimensions[last]
            // The next row, counted like the kilometres of a car.
            var place = last - 1
            while place >= 0 {
                index[place] += 1
                start += strides[place]
                if index[place] < dimensions[place] { break }
                start -= index[place] * strides[place]
                index[place] = 0
                place -= 1
            }
            if place < 0 { return }
        }
    }
}
