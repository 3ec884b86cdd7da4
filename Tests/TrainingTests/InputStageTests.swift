import Datasets
import Foundation
import Settings
import Storage
import TestSupport
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

    private static func batch(_ samples: ArraySlice<Int32>, _ firstDraw: UInt64) -> DrawnBatch {
        DrawnBatch(samples: samples, firstDraw: firstDraw, step: 0)
    }

    private static func expectCurrent(
        _ stage: InputStage, _ samples: ArraySlice<Int32>,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let expected = samples.flatMap { sample in (0..<width).map { Float(Int(sample) * 10 + $0) } }
        #expect(Array(stage.matrix(rows: samples.count).elements) == expected, sourceLocation: sourceLocation)
    }

    @Test(
        "are those of the samples asked for, whoever gathers them and whether they were announced or not",
        arguments: [true, false])
    func everyPath(hasHelper: Bool) {
        let stage = InputStage(rows: 8, width: Self.width, hasHelper: hasHelper, leastForHelper: 9)
        // Known by their draw; in turn: announced and wanted; announced by both; announced, but others are wanted; not
        // announced; announced with fewer rows.
        for draw in 0..<2000 {
            let rows = 1 + draw % 8
            let key = UInt64(draw * 8)
            let samples = Self.samples(draw, rows: rows)
            stage.gather(Self.dataset, samples, in: draw % 11 == 10 ? nil : Self.batch(samples, key))
            Self.expectCurrent(stage, samples)
            let next = Self.samples(draw + 1, rows: 1 + (draw + 1) % 8)
            let nextKey = UInt64((draw + 1) * 8)
            switch draw % 5 {
            case 0: stage.announce(Self.dataset, next, in: Self.batch(next, nextKey))
            case 1:
                stage.announce(Self.dataset, next, in: Self.batch(next, nextKey))
                stage.gatherNext(Self.dataset, next, in: Self.batch(next, nextKey))
            case 2:
                let others = Self.samples(draw + 3, rows: 8)
                stage.announce(Self.dataset, others, in: Self.batch(others, nextKey + 99))
            case 3: break
            default: stage.gatherNext(Self.dataset, next.prefix(1), in: Self.batch(next, nextKey))
            }
            // What a thread gathers (three rows or more) disturbs nobody who computes; what the caller gathers may.
            let callerGathers = draw % 5 == 4 || draw % 5 == 1 && !(hasHelper && next.count * Self.width >= 9)
            if !callerGathers { Self.expectCurrent(stage, samples) }
        }
    }

    @Test("have the noise of their draws, whoever gathers them", arguments: [true, false])
    func augmented(hasHelper: Bool) throws {
        let text = "data: {augmentation: [gaussian_noise: {std: 1}, masking_noise: {rate: 0.3}, salt_and_pepper: {rate: 0.1}]}"
        let configuration = try DataConfiguration(try SettingsDocument(text: text, name: "test").root.section("data"))
        let plain = try configuration.load()
        let dataset = try plain.augmented(by: configuration.augmentations, seed: 3, globalBatchSize: 1 << 20).train
        let width = dataset.inputShape.count
        let buffer = AlignedBuffer<Float>(count: 8 * width)
        func gathered(_ samples: ArraySlice<Int32>, _ firstDraw: UInt64?, of dataset: Dataset = dataset) -> [Float] {
            let matrix = buffer.matrix(rows: samples.count, columns: width)
            dataset.gatherInputs(samples, into: matrix, in: firstDraw.map { Self.batch(samples, $0) })
            return Array(matrix.elements)
        }
        let stage = InputStage(rows: 8, width: width, hasHelper: hasHelper, leastForHelper: 1)
        for draw in 0..<500 {
            let rows = 1 + draw % 8
            let key = UInt64(draw * 8)
            let samples = Self.samples(draw, rows: rows)
            switch draw % 4 {
            case 0: stage.announce(dataset, samples, in: Self.batch(samples, key))
            case 1: stage.gatherNext(dataset, samples, in: Self.batch(samples, key))
            case 2: stage.announce(dataset, samples, in: Self.batch(samples, key + 1))
            default: break
            }
            stage.gather(dataset, samples, in: Self.batch(samples, key))
            let found = Array(stage.matrix(rows: rows).elements)
            // Each row has the noise of its own draw, however many are gathered with it.
            let expected = samples.enumerated().flatMap { gathered([$1], key + UInt64($0)) }
            #expect(found == expected, "draw \(draw)")
            #expect(gathered(samples, key + 1) != found)
            stage.gather(dataset, samples, in: nil)
            #expect(Array(stage.matrix(rows: rows).elements) == gathered(samples, nil, of: plain.train))
        }
    }

    @Test("are mixed with partners of the whole batch, whoever gathers them", arguments: [true, false])
    func mixed(hasHelper: Bool) throws {
        let text = "data: {augmentation: [gaussian_noise: 0.5, mixup: 0.5, {mixup: {alpha: 1, probability: 0.5}}]}"
        let configuration = try DataConfiguration(try SettingsDocument(text: text, name: "test").root.section("data"))
        let dataset = try configuration.load().augmented(by: configuration.augmentations, seed: 3, globalBatchSize: 24).train
        let width = dataset.inputShape.count
        let stage = InputStage(rows: 8, width: width, hasHelper: hasHelper, leastForHelper: 1)
        let buffer = AlignedBuffer<Float>(count: 24 * width)
        let targets = AlignedBuffer<Float>(count: 24 * 10)
        for step in 0..<200 {
            // The last batches are short.
            let batch = DrawnBatch(
                samples: Self.samples(step, rows: step < 150 ? 24 : 17), firstDraw: UInt64(step * 24), step: step)
            let whole = buffer.matrix(rows: batch.samples.count, columns: width)
            dataset.gatherInputs(batch.samples, into: whole, in: batch)
            for first in stride(from: 0, to: batch.samples.count, by: 8) {
                let part = batch.samples[first..<min(first + 8, batch.samples.count)]
                if step % 3 == 0 { stage.announce(dataset, part, in: batch) }
                // Meanwhile this thread needs the partners as well.
                dataset.gatherTargets(part, into: targets.matrix(rows: part.count, columns: 10), in: batch)
                if step % 3 == 1 { stage.gatherNext(dataset, part, in: batch) }
                stage.gather(dataset, part, in: batch)
                let expected = Array(whole[rows: first..<first + part.count].elements)
                #expect(Array(stage.matrix(rows: part.count).elements) == expected, "step \(step), row \(first)")
            }
        }
    }

    @Test("count denormal numbers as zero on the thread that gathers ahead")
    func denormals() throws {
        // 1 / 1e38 is a denormal number.
        let dataset = try withTemporaryFolder { folder in
            func write(_ name: String, _ bytes: [UInt8]) throws {
                try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
            }
            try write("x", [0, 0, 8, 2, 0, 0, 0, 8, 0, 0, 0, 3] + [UInt8](repeating: 1, count: 24))
            try write("y", [0, 0, 8, 1, 0, 0, 0, 8] + [UInt8](repeating: 0, count: 7) + [1])
            let text = "data: {format: idx, train: {inputs: \(folder)/x, targets: \(folder)/y}, normalize: {scale: 1e38}}"
            let settings = try SettingsDocument(text: text, name: "test").root
            return try DataConfiguration(settings.section("data")).load().train
        }
        // A thread begins with the modes of the one that made it.
        honorDenormals()
        let stage = InputStage(rows: 8, width: Self.width, hasHelper: true, leastForHelper: 1)
        let samples = (0..<8).map { Int32($0) }[...]
        // Until it was the thread: a request may be taken back before the thread comes to it.
        for draw in 0..<1000 {
            stage.announce(dataset, samples, in: Self.batch(samples, UInt64(draw)))
            usleep(100)
            stage.gather(dataset, samples, in: Self.batch(samples, UInt64(draw)))
            let found = stage.matrix(rows: 8).elements[0].bitPattern
            if found == 0 { return }
        }
        Issue.record("the thread gathers denormal numbers")
    }
}
