import Diagnostics
import Foundation
import Reporting

/// Trials as lines across one upright axis for each parameter and a last one for the metric (Inselberg 1985). A drawing that needs no
/// script; the best line is wide and has markers and a name, so that it is told apart without colour.
package struct ParallelCoordinates: Sendable {
    package struct Axis: Sendable {
        package let name: String
        /// Values that have no order, from below; nil: numbers.
        package let names: [String]?
        /// Numbers that lie more than so many times apart are drawn logarithmically.
        let leastRatio: Double

        package init(_ name: String, names: [String]? = nil, leastRatio: Double = 50) {
            self.name = name
            self.names = names
            self.leastRatio = leastRatio
        }
    }

    package struct Line: Sendable {
        package let name: String
        /// On each axis, a number or the index of a name; nil where the line ends.
        package let values: [Double?]
        /// 0: the best, drawn wide; 1: good; 2: the others, in the background.
        package let rank: Int

        package init(_ name: String, _ values: [Double?], rank: Int) {
            self.name = name
            self.values = values
            self.rank = rank
        }
    }

    package let title: String
    package let axes: [Axis]
    package let lines: [Line]

    package init(_ title: String, _ axes: [Axis], _ lines: [Line]) {
        precondition(lines.allSatisfy { $0.values.count == axes.count }, "lines across other axes")
        self.title = title
        self.axes = axes
        self.lines = lines
    }

    // The drawing's own units.
    private static let height = 360.0, top = 44.0, bottom = 20.0, left = 78.0, right = 110.0, gap = 150.0
    /// More names than this at one axis would cover each other.
    private static let mostNames = 20

    private var width: Double { Self.left + Self.gap * Double(max(1, axes.count - 1)) + Self.right }
    private func across(_ axis: Int) -> Double { Self.left + Self.gap * Double(axis) }
    private func up(_ place: Double) -> Double { Self.top + (1 - place) * (Self.height - Self.top - Self.bottom) }

    /// From a value on an axis to its place, 0 to 1.
    private func scale(_ axis: Int) -> Scale {
        if let names = axes[axis].names { return Scale(around: [0, Double(max(1, names.count - 1))], padding: 0.05) }
        return Scale(
            around: lines.compactMap { $0.values[axis] }, prefersLogarithm: true, padding: 0.02,
            leastRatio: axes[axis].leastRatio)
    }

    /// The figure.
    package func html() -> String {
        let scales = axes.indices.map(scale)
        let best = lines.first { $0.rank == 0 }
        var words = "\(lines.count) lines"
        if let best {
            words +=
                "; \(best.name): "
                + zip(axes.indices, best.values).map { "\(axes[$0].name) \(label($1, $0))" }.joined(separator: ", ")
        }
        var html =
            "<figure class=\"chart\" tabindex=\"0\" role=\"img\" aria-label=\"\(HTMLText.escaped("\(title): \(words)", longest: 900))\">"
        html += "<figcaption>\(HTMLText.escaped(title))</figcaption><div class=\"parallel\">"
        html +=
            "<svg viewBox=\"0 0 \(HTMLText.place(width)) \(HTMLText.place(Self.height))\" aria-hidden=\"true\">"
        // What matters lies on top.
        for line in lines.sorted(by: { $0.rank > $1.rank }) { html += drawn(line, scales) }
        for axis in axes.indices { html += drawn(axis, scales[axis]) }
        if let best, let last = best.values[axes.count - 1], let place = scales[axes.count - 1].place(last) {
            let x = HTMLText.place(across(axes.count - 1) + 40)
            html +=
                "<text class=\"name t0\" x=\"\(x)\" y=\"\(HTMLText.place(up(place) + 4))\">\(HTMLText.escaped(best.name, longest: 14))</text>"
        }
        return html + "</svg></div></figure>\n"
    }

    private func label(_ value: Double?, _ axis: Int) -> String {
        guard let value else { return "none" }
        guard let names = axes[axis].names else { return Scale.label(value) }
        return names.indices.contains(Int(value)) ? names[Int(value)] : ""
    }

    private func drawn(_ axis: Int, _ scale: Scale) -> String {
        let x = HTMLText.place(across(axis))
        var svg =
            "<line class=\"axis\" x1=\"\(x)\" x2=\"\(x)\" y1=\"\(HTMLText.place(Self.top))\" y2=\"\(HTMLText.place(up(0)))\"/>"
        // Names of neighbours take turns, so that long ones don't meet.
        let height = axis % 2 == 0 ? 14.0 : 31.0
        svg +=
            "<text class=\"axis-name\" x=\"\(x)\" y=\"\(HTMLText.place(height))\" text-anchor=\"middle\">\(HTMLText.escaped(axes[axis].name, longest: 30))</text>"
        let ticks =
            axes[axis].names.map { names in
                let step = (names.count + Self.mostNames - 1) / Self.mostNames
                return names.indices.filter { $0 % max(1, step) == 0 }.map(Double.init)
            } ?? scale.ticks()
        for tick in ticks {
            guard let place = scale.place(tick) else { continue }
            let (line, foot) = (HTMLText.place(up(place)), HTMLText.place(up(place) + 4))
            let end = HTMLText.place(across(axis) - 5)
            svg += "<line class=\"axis\" x1=\"\(end)\" x2=\"\(x)\" y1=\"\(line)\" y2=\"\(line)\"/>"
            svg += "<text class=\"tick\" x=\"\(HTMLText.place(across(axis) - 8))\" y=\"\(foot)\" text-anchor=\"end\">"
            svg += "\(HTMLText.escaped(label(tick, axis), longest: 12))</text>"
        }
        return svg
    }

    private func drawn(_ line: Line, _ scales: [Scale]) -> String {
        var path = ""
        var marks = ""
        var isPenDown = false
        for (axis, value) in line.values.enumerated() {
            guard let value, let place = scales[axis].place(value) else {
                isPenDown = false
                continue
            }
            let (x, y) = (HTMLText.place(across(axis)), HTMLText.place(up(place)))
            path += "\(isPenDown ? "L" : "M")\(x) \(y)"
            marks += "M\(HTMLText.place(across(axis) - 4)) \(y)a4 4 0 1 0 8 0a4 4 0 1 0 -8 0"
            isPenDown = true
        }
        guard !path.isEmpty else { return "" }
        let name = "<title>\(HTMLText.escaped(line.name))</title>"
        switch line.rank {
        case 0: return "<path class=\"curve c0 strong\" d=\"\(path)\">\(name)</path><path class=\"mark m0\" d=\"\(marks)\"/>"
        case 1: return "<path class=\"curve c0\" d=\"\(path)\">\(name)</path>"
        default: return "<path class=\"curve c5\" stroke-dasharray=\"2 4\" opacity=\"0.6\" d=\"\(path)\">\(name)</path>"
        }
    }
}
