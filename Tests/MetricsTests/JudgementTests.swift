import Foundation
import Metrics
import Testing

/// Metrics by group and calibration against scikit-learn's and NumPy's numbers (`Tests/References/judgements.py`).
@Suite("Judgements")
struct JudgementTests {
    private struct Case: Decodable {
        struct Group: Decodable {
            let name: String
            let count: Int
            let accuracy: Double
            let positiveRate: Double
            let truePositiveRate: Double
        }
        struct Calibration: Decodable {
            struct Bin: Decodable {
                let count: Int
                let accuracy: Double
                let confidence: Double
            }
            let bins: [Bin]
            let expectedError: Double
        }
        let name: String
        let positive: Int
        let predicted: [Int]
        let targets: [Int]
        let confidence: [Double]
        let groups: [String]
        let expectedGroups: [Group]
        let calibration: Calibration

        var judgements: [Judgement] {
            predicted.indices.map { Judgement(predicted: predicted[$0], target: targets[$0], confidence: confidence[$0]) }
        }
    }

    private struct Cases: Decodable { let cases: [Case] }

    private static func cases() throws -> [Case] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(
            Cases.self, from: Data(contentsOf: folder.appendingPathComponent("References/judgements.json"))
        ).cases
    }

    @Test("accuracy, positive rate and true-positive rate of each group are scikit-learn's")
    func groups() throws {
        for reference in try Self.cases() {
            let report = GroupReport(reference.judgements, groups: reference.groups, positive: reference.positive)
            #expect(report.groups.map(\.name) == reference.expectedGroups.map(\.name), "\(reference.name)")
            for (found, expected) in zip(report.groups, reference.expectedGroups) {
                #expect(found.count == expected.count)
                #expect(abs(found.accuracy - expected.accuracy) < 1e-12)
                #expect(abs((found.positiveRate ?? -1) - expected.positiveRate) < 1e-12)
                #expect(abs((found.truePositiveRate ?? -1) - expected.truePositiveRate) < 1e-12)
            }
            let rates = reference.expectedGroups.map(\.positiveRate)
            let gap = try #require(report.gaps.first { $0.measure == "positive_rate" })
            #expect(abs(gap.size - ((rates.max() ?? 0) - (rates.min() ?? 0))) < 1e-12)
            #expect(gap.lowest == reference.expectedGroups.min { $0.positiveRate < $1.positiveRate }?.name)
        }
    }

    @Test("reliability table and expected calibration error are NumPy's")
    func calibration() throws {
        for reference in try Self.cases() {
            let found = Calibration(reference.judgements)
            #expect(found.bins.count == 10)
            for (bin, expected) in zip(found.bins, reference.calibration.bins) {
                #expect(bin.count == expected.count)
                #expect(abs(bin.accuracy - expected.accuracy) < 1e-12 && abs(bin.confidence - expected.confidence) < 1e-12)
            }
            #expect(abs(found.expectedError - reference.calibration.expectedError) < 1e-12)
        }
    }

    @Test("the borders of bins belong to the lower one; a group without the positive class has no true-positive rate")
    func borders() {
        let judgements = [0, 0.1, 0.1000001, 1].map { Judgement(predicted: 0, target: 0, confidence: $0) }
        #expect(Calibration(judgements).bins.map(\.count) == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1])
        let report = GroupReport(judgements, groups: ["a", "a", "b", "b"], positive: 1)
        #expect(report.groups.allSatisfy { $0.truePositiveRate == nil && $0.positiveRate == 0 } && report.gaps.count == 2)
    }
}
