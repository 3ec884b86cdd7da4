import Storage
import Testing

@Suite("Runs of slots")
struct SlotRunsTests {
    @Test(
        "every part of the buffer is found with its value, whatever the range; frozen slots and buffers have none",
        arguments: [true, false])
    func parts(withPadding: Bool) {
        var layout = ParameterLayout()
        let sizes = [5, 16, 1030, 3, 700, 2100, 1, 40]
        for (index, size) in sizes.enumerated() {
            _ = layout.reserve(
                name: "\(index)", shape: Shape([size]), role: .weight,
                region: index == 4 ? .frozen : index == 6 ? .buffers : .trained)
        }
        func value(_ slot: ParameterSlot) -> Int? { slot.index == 1 ? nil : slot.index / 3 }
        let runs = SlotRuns(layout, withPadding: withPadding, value)
        // What each element should be told.
        var expected = [Int?](repeating: nil, count: layout.trainedCount)
        let trained = layout.slots.filter { $0.region == .trained }
        for (index, slot) in trained.enumerated() {
            let next = index + 1 < trained.count ? trained[index + 1].offset : layout.trainedCount
            for element in slot.offset..<(withPadding ? next : slot.range.upperBound) { expected[element] = value(slot) }
        }
        let cuts = [0, 1, 15, 16, 17, 37, 100, 1023, 1024, 1025, 2048, 3000, 3200, layout.trainedCount - 1, layout.trainedCount]
        for first in cuts {
            for end in cuts where end >= first {
                var found = [Int?](repeating: nil, count: layout.trainedCount)
                var last = first
                runs.forEach(in: first..<end) { part, value in
                    #expect(part.lowerBound >= last && part.upperBound <= end && !part.isEmpty, "in order, inside")
                    last = part.upperBound
                    for element in part { found[element] = value }
                }
                #expect(Array(found[first..<end]) == Array(expected[first..<end]), "\(first) ..< \(end)")
            }
        }
    }
}
