import Foundation
import Reporting
import Testing

@Suite("Comparing the losses of two logs")
struct LossComparisonTests {
    private func line(_ step: Int, _ loss: String, _ event: String = "step") -> String {
        "{\"event\":\"\(event)\",\"step\":\(step),\"loss\":\(loss)}\n"
    }

    private func compare(_ first: [String], _ second: [String]) throws -> LossComparison {
        var result: LossComparison?
        try withTemporaryPath { path in
            try first.joined().write(toFile: path, atomically: false, encoding: .utf8)
            try second.joined().write(toFile: path + ".other", atomically: false, encoding: .utf8)
            result = try LossComparison(paths: path, path + ".other")
        }
        return try #require(result)
    }

    private func expect(
        _ difference: LossComparison.Difference?, _ place: LossComparison.Place, _ first: Double?,
        _ second: Double?, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(difference?.place == place, sourceLocation: sourceLocation)
        #expect(difference?.first == first && difference?.second == second, sourceLocation: sourceLocation)
    }

    @Test("the same losses are equal; what else stands in the logs doesn't matter")
    func equal() throws {
        let log = [line(1, "0.5"), line(2, "null"), line(2, "0.25", "validation")]
        let other = ["{\"event\":\"change\",\"step\":0}\n"] + log + [line(2, "7", "end"), "{\"ev"]
        let comparison = try compare(log, other)
        #expect(comparison.isEqual && comparison.commonCount == 3)
    }

    @Test("the first step with another loss is told, with both losses, to the last bit")
    func firstDifference() throws {
        let comparison = try compare(
            [line(1, "0.1"), line(2, "0.2"), line(3, "0.30000000000000004"), line(4, "0.4")],
            [line(1, "0.1"), line(2, "0.2"), line(3, "0.3"), line(4, "4")])
        expect(comparison.firstDifference, .init(step: 3), 0.1 + 0.2, 0.3)
        #expect(comparison.differingCount == 2 && comparison.commonCount == 4 && !comparison.isEqual)
    }

    @Test("a validation is compared with the validation, after the step's own loss")
    func validations() throws {
        let comparison = try compare(
            [line(5, "1", "validation"), line(5, "2")],
            [line(5, "3", "validation"), line(5, "2")])
        expect(comparison.firstDifference, .init(step: 5, isValidation: true), 1, 3)
        #expect(comparison.differingCount == 1)
    }

    @Test("null differs from a number, and -0 from 0")
    func oddNumbers() throws {
        expect(try compare([line(1, "null")], [line(1, "1")]).firstDifference, .init(step: 1), nil, 1)
        #expect(try !compare([line(1, "-0.0")], [line(1, "0.0")]).isEqual)
    }

    @Test("steps that only one log has, or has twice, are differences")
    func missing() throws {
        let comparison = try compare(
            [line(1, "1"), line(2, "2"), line(4, "4")],
            [line(1, "1"), line(1, "1"), line(3, "3")])
        #expect(comparison.onlyInFirst == [.init(step: 2), .init(step: 4)])
        #expect(comparison.onlyInSecond == [.init(step: 1), .init(step: 3)])
        #expect(!comparison.isEqual && comparison.differingCount == 0)
        #expect(try !compare([line(1, "1")], []).isEqual)
    }
}
