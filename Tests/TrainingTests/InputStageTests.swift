import Datasets
import Storage
import Testing
import Training

@Suite("Inputs gathered ahead")
struct InputStageTests {
    private static let width = 3, count = 64

    /// Column c of sample s is 10·s + c.
    private static let dataset = Dataset(
        inputs: (0..<count * width).map { Float($0 / width * 10 + $0 % width) },
        inputShape: Shape([width]), values: [Float](repeating: 0, count: count), valueCount: 1)

    private static func samples(_ draw: Int, rows: Int) -> ArraySlice<Int32> {
        (0..<rows).map { Int32((draw * 7 + $0 * 5) % count) }[...]
    }

    private static func expectCurrent(_ stage: InputStage, _ samples: ArraySlice<Int32>,
                                      sourceLocation: SourceLocation = #_sourceLocation) {
        let expected = samples.flatMap { sample in (0..<width).map { Float(Int(sample) * 10 + $0) } }
        #expect(Array(stage.matrix(rows: samples.count).elements) == expected, sourceLocation: sourceLocation)
    }

    @Test("are those of the samples asked for, whoever gathers them and whether they were announced or not",
          arguments: [true, false])
    func everyPath(hasHelper: Bool) {
        let stage = InputStage(rows: 8, width: Self.width, hasHelper: hasHelper, leastForHelper: 9)
        // Known by their draw; in turn: announced and wanted; announced by both; announced, but others are wanted; not
        // announced; announced with fewer rows.
        for draw in 0..<2000 {
            let rows = 1 + draw % 8, key = UInt64(draw * 8)
            let samples = Self.samples(draw, rows: rows)
            stage.gather(Self.dataset, samples, firstDraw: draw % 11 == 10 ? nil : key)
            Self.expectCurrent(stage, samples)
            let next = Self.samples(draw + 1, rows: 1 + (draw + 1) % 8), nextKey = UInt64((draw + 1) * 8)
            switch draw % 5 {
            case 0: stage.announce(Self.dataset, next, firstDraw: nextKey)
            case 1:
                stage.announce(Self.dataset, next, firstDraw: nextKey)
                stage.gatherNext(Self.dataset, next, firstDraw: nextKey)
            case 2: stage.announce(Self.dataset, Self.samples(draw + 3, rows: 8), firstDraw: nextKey + 99)
            case 3: break
            default: stage.gatherNext(Self.dataset, next.prefix(1), firstDraw: nextKey)
            }
            // What a thread gathers (three rows or more) disturbs nobody who computes; what the caller gathers may.
            let callerGathers = draw % 5 == 4 || draw % 5 == 1 && !(hasHelper && next.count * Self.width >= 9)
            if !callerGathers { Self.expectCurrent(stage, samples) }
        }
    }
}
