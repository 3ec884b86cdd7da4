import Foundation
import Testing

import Pages

@Suite("Charts")
struct ChartTests {
    private func curve(_ name: String, run: Int = 0, _ numbers: [Double?]) -> Chart.Curve {
        Chart.Curve(name, run: run, isStrong: false, points: numbers.enumerated().map { CurvePoint(Double($0), $1) })
    }

    @Test("a number that is missing is a gap in the line, and null for the script")
    func gap() {
        let html = Chart("loss", .step, [curve("training", [1, 2, nil, 3, 4])]).html()
        let path = html.split(separator: "\"").first { $0.hasPrefix("M") && $0.contains("L") } ?? ""
        #expect(path.filter { $0 == "M" }.count == 2, "\(path)")
        #expect(html.contains("\"y\":[1.0,2.0,null,3.0,4.0]"))
    }

    @Test("runs differ in more than their colour: dashes, markers, names at the curves' ends")
    func withoutColour() {
        let html = Chart("loss", .step, (0..<3).map { curve("run \($0)", run: $0, [1, 2]) }).html()
        #expect(html.components(separatedBy: "stroke-dasharray").count == 3)
        for index in 0..<3 { #expect(html.contains(">run \(index)</text>")) }
        let markers = html.components(separatedBy: "class=\"mark").dropFirst().map { $0.prefix(60) }
        #expect(Set(markers).count == 3, "\(markers)")
    }

    @Test("names can't run script, and don't cover each other")
    func names() throws {
        let html = Chart("<b>", .step, (0..<4).map { curve("</text><script>\($0)", run: $0, [1, 2]) }).html()
        #expect(!html.contains("<b>") && !html.contains("<script>0") && html.contains("&lt;b&gt;"))
        let heights = html.components(separatedBy: "<text class=\"name").dropFirst().compactMap { part in
            part.components(separatedBy: " y=\"").dropFirst().first.flatMap { Double($0.prefix { $0 != "\"" }) }
        }.sorted()
        #expect(heights.count == 4 && zip(heights, heights.dropFirst()).allSatisfy { $1 - $0 >= 15.9 }, "\(heights)")
        #expect(heights.allSatisfy { $0 > 0 && $0 < 300 })
    }

    @Test("one point, no number, and numbers that aren't finite are drawn without a trap")
    func odd() {
        for numbers in [[1], [nil], [], [.infinity, 1, .nan], [0, 0]] as [[Double?]] {
            let html = Chart("x", .time, [curve("a", numbers)]).html()
            #expect(html.contains("<svg") && !html.contains("nan") && !html.contains("inf\""))
        }
    }
}
