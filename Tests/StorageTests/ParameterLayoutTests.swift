import Storage
import Testing

@Suite("The layout of parameters")
struct ParameterLayoutTests {
    private func layout(_ counts: [Int]) -> ParameterLayout {
        var layout = ParameterLayout()
        for (index, count) in counts.enumerated() {
            _ = layout.reserve(name: "\(index).weight", shape: Shape([count]), role: .weight)
        }
        return layout
    }

    @Test(
        "slots lie behind each other on cache lines and inside the padded buffer",
        arguments: [[1], [16], [17, 1, 33], [1023, 2], [1024, 1024], [0, 5], [3000, 1, 1, 7000]])
    func slots(counts: [Int]) {
        let layout = layout(counts)
        var end = 0
        for (slot, count) in zip(layout.slots, counts) {
            #expect(slot.offset % ParameterLayout.slotAlignment == 0)
            #expect(slot.offset >= end && slot.offset < end + ParameterLayout.slotAlignment)
            #expect(slot.range.count == count)
            end = slot.range.upperBound
        }
        #expect(layout.parameterCount == counts.reduce(0, +))
        #expect(layout.trainedCount >= end && layout.trainedCount < end + 2 * ParameterLayout.blockSize)
        #expect(layout.trainedCount % ParameterLayout.blockSize == 0)
    }

    @Test(
        "the slices of 1 to 9 owners cover every block exactly once, in order and evenly",
        arguments: [1, 100, 1024, 1025, 5000, 8192, 100_000])
    func slices(count: Int) {
        let layout = layout([count])
        for ownerCount in 1...9 {
            var next = 0
            for owner in 0..<ownerCount {
                let slice = layout.slice(of: owner, ownerCount: ownerCount)
                #expect(slice.lowerBound == next)
                #expect(slice.count % ParameterLayout.blockSize == 0)
                let blocks = slice.count / ParameterLayout.blockSize
                #expect(blocks == layout.blockCount / ownerCount || blocks == layout.blockCount / ownerCount + 1)
                next = slice.upperBound
            }
            #expect(next == layout.trainedCount)
        }
    }

    @Test("buffers begin on a cache line, zero, and a view of a slot shows its elements")
    func buffers() {
        let layout = layout([5, 6])
        let buffer = AlignedBuffer<Float>(count: layout.trainedCount)
        #expect(Int(bitPattern: buffer.base) % AlignedBuffer<Float>.alignment == 0)
        #expect(buffer.elements.allSatisfy { $0 == 0 })
        for index in 0..<buffer.count { buffer[index] = Float(index) }
        let view = buffer.parameters.readOnly.matrix(layout.slots[1], columns: 3)
        #expect(view.rows == 2 && view.columns == 3)
        #expect(Array(view.row(1)) == [19, 20, 21])
        #expect(Array(buffer.parameters[2..<4].elements) == [2, 3])
    }
}
