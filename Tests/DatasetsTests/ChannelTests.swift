import Datasets
import Diagnostics
import Testing

@Suite("Normalisation per channel")
struct ChannelTests {
    private let files: TestFiles

    init() throws { files = try TestFiles() }

    private func splits(_ shape: [Int], _ normalize: String) throws -> DataSplits {
        let count = shape.reduce(1, *)
        let path = try files.write("inputs", idx(shape, (0..<count).map { UInt8($0) }))
        let targets = try files.write("targets", idx([shape[0]], (0..<shape[0]).map { UInt8($0 % 2) }))
        return try load("format: idx\ntrain: {inputs: \(path), targets: \(targets)}\nnormalize: {\(normalize)}")
    }

    @Test("a list as long as the first of three dimensions has a number for each channel")
    func channels() throws {
        let rows = try splits([2, 3, 1, 2], "scale: 2, mean: [0, 1, 2], std: [1, 0.5, 0.25]").train.inputRows()
        func value(_ x: Float, _ channel: Int) -> Float {
            let means: [Float] = [0, 1, 2]
            let deviations: [Float] = [1, 0.5, 0.25]
            return (x / 2 - means[channel]) / deviations[channel]
        }
        let expected: [[Float]] = (0..<2).map { row in
            (0..<6).map { index in value(Float(row * 6 + index), index / 2) }
        }
        #expect(rows == expected)
    }

    @Test("two dimensions have no channels, and other lengths are refused")
    func noChannels() throws {
        for shape in [[2, 3, 2], [2, 4, 3, 2]] {
            #expect { try splits(shape, "mean: [0, 1, 2]") } throws: { error in
                "\(error)".contains("data.normalize.mean: a list of 3")
            }
        }
    }
}
