import Foundation
import Reporting

/// Curves over one axis, as a figure of a page: a drawing that needs no script, and its numbers for the script that reads them out.
///
/// Which curve is which is told by colour, and without it by dashes, width, markers and a name at the curve's end.
package struct Chart: Sendable {
    package struct Curve: Sendable {
        package let name: String
        /// Which run it is of, from 0: colour, dashes and markers.
        package let run: Int
        /// Drawn wider, with a marker at each point where there are few.
        package let isStrong: Bool
        package let points: [CurvePoint]

        package init(_ name: String, run: Int, isStrong: Bool, points: [CurvePoint]) {
            self.name = name
            self.run = run
            self.isStrong = isStrong
            self.points = points
        }
    }

    /// What is along the horizontal axis.
    package enum Axis: Sendable {
        case step
        /// Seconds.
        case time
        /// A share, 0 to 1.
        case share(String)
    }

    package let title: String
    package let axis: Axis
    package let curves: [Curve]
    /// A line from corner to corner, what a guess would be.
    var hasDiagonal = false
    /// Written below the drawing.
    var note: String?

    /// More points of a curve are thinned.
    static let mostPoints = 1500

    package init(_ title: String, _ axis: Axis, _ curves: [Curve], hasDiagonal: Bool = false, note: String? = nil) {
        self.title = title
        self.axis = axis
        self.curves = curves.map {
            Curve($0.name, run: $0.run, isStrong: $0.isStrong, points: thinned($0.points, most: Self.mostPoints))
        }
        self.hasDiagonal = hasDiagonal
        self.note = note
    }

    // The drawing's own units.
    private static let width = 560.0, height = 300.0, left = 66.0, top = 12.0, bottom = 42.0
    private static let lineHeight = 16.0, letterWidth = 9.4
    private static let longestName = 20
    private static let dashes = ["", "8 3", "2 3", "10 3 2 3", "5 2", "1 4"]
    static let colours = 6

    private var right: Double {
        let longest = curves.map { min($0.name.count, Self.longestName) }.max() ?? 0
        return Double(longest) * Self.letterWidth + 16
    }
    private var plotWidth: Double { Self.width - Self.left - right }
    private var plotHeight: Double { Self.height - Self.top - Self.bottom }

    private var isShare: Bool { if case .share = axis { true } else { false } }

    private var horizontal: Scale {
        if isShare { return Scale(around: [0, 1], padding: 0) }
        return Scale(around: curves.flatMap { $0.points.map(\.x) }, padding: 0)
    }

    private var vertical: Scale {
        if isShare { return Scale(around: [0, 1], padding: 0) }
        return Scale(around: curves.flatMap { $0.points.compactMap(\.y) }, prefersLogarithm: true)
    }

    /// The unit of time that suits the axis, and how many seconds it has.
    private var timeUnit: (name: String, seconds: Double) {
        let longest = horizontal.high
        return longest < 200 ? ("seconds", 1) : longest < 10_000 ? ("minutes", 60) : ("hours", 3600)
    }

    private var axisName: String {
        switch axis {
        case .step: "step"
        case .time: timeUnit.name
        case .share(let name): name
        }
    }

    // MARK: - Markup

    /// The figure.
    package func html(style: String = "") -> String {
        let (x, y) = (horizontal, vertical)
        let title = HTMLText.escaped(title)
        let logarithm = y.isLogarithmic ? " <small>logarithmic</small>" : ""
        var last: [String] = []
        for curve in curves {
            let number = curve.points.last { $0.y?.isFinite ?? false }?.y
            last.append("\(curve.name): \(number.map(HumanText.figure) ?? "none")")
        }
        let summary = HTMLText.escaped(last.joined(separator: "; "))
        let (top, floor) = (HTMLText.place(Self.top), HTMLText.place(Self.top + plotHeight))
        var html = "<figure class=\"chart \(style)\" tabindex=\"0\" role=\"group\" aria-label=\"\(title), by "
        html += "\(HTMLText.escaped(axisName)); last \(summary); arrow keys read the values\">"
        html += "<figcaption>\(title)\(logarithm)</figcaption>"
        html += "<svg viewBox=\"0 0 \(HTMLText.place(Self.width)) \(HTMLText.place(Self.height))\" aria-hidden=\"true\">"
        html += grid(x, y)
        for curve in curves { html += drawn(curve, x, y) }
        html += names(x, y)
        html += "<line class=\"cursor\" y1=\"\(top)\" y2=\"\(floor)\" x1=\"-9\" x2=\"-9\"/></svg>"
        html += "<output aria-live=\"polite\">\(HTMLText.escaped(note ?? ""))&nbsp;</output>"
        html += "<script type=\"application/json\">\(HTMLText.json(data(x)))</script></figure>\n"
        return html
    }

    private func at(_ x: Double) -> String { HTMLText.place(Self.left + x * plotWidth) }
    private func height(_ y: Double) -> Double { Self.top + (1 - y) * plotHeight }

    private func grid(_ x: Scale, _ y: Scale) -> String {
        var svg = ""
        let margin = HTMLText.place(Self.left - 6)
        for tick in y.ticks() {
            guard let place = y.place(tick) else { continue }
            let line = HTMLText.place(height(place))
            let foot = HTMLText.place(height(place) + 4)
            svg += "<line class=\"grid\" x1=\"\(at(0))\" x2=\"\(at(1))\" y1=\"\(line)\" y2=\"\(line)\"/>"
            svg += "<text class=\"tick\" x=\"\(margin)\" y=\"\(foot)\" text-anchor=\"end\">\(Scale.label(tick))</text>"
        }
        let unit = if case .time = axis { timeUnit.seconds } else { 1.0 }
        let floor = HTMLText.place(Self.top + plotHeight)
        let below = HTMLText.place(Self.top + plotHeight + 4)
        let foot = HTMLText.place(Self.top + plotHeight + 18)
        let inUnits = Scale(around: [x.low / unit, x.high / unit], padding: 0)
        for tick in inUnits.ticks(7) {
            guard let place = inUnits.place(tick), place > -1e-9, place < 1 + 1e-9 else { continue }
            svg += "<line class=\"grid\" x1=\"\(at(place))\" x2=\"\(at(place))\" y1=\"\(floor)\" y2=\"\(below)\"/>"
            svg += "<text class=\"tick\" x=\"\(at(place))\" y=\"\(foot)\" text-anchor=\"middle\">\(Scale.label(tick))</text>"
        }
        let end = HTMLText.place(Self.height - 6)
        svg += "<line class=\"axis\" x1=\"\(at(0))\" x2=\"\(at(1))\" y1=\"\(floor)\" y2=\"\(floor)\"/>"
        svg += "<text class=\"tick\" x=\"\(at(0.5))\" y=\"\(end)\" text-anchor=\"middle\">\(HTMLText.escaped(axisName))</text>"
        if hasDiagonal {
            let top = HTMLText.place(Self.top)
            svg +=
                "<line class=\"axis\" stroke-dasharray=\"2 4\" x1=\"\(at(0))\" y1=\"\(floor)\" x2=\"\(at(1))\" y2=\"\(top)\"/>"
        }
        return svg
    }

    private func drawn(_ curve: Curve, _ x: Scale, _ y: Scale) -> String {
        var path = ""
        var isPenDown = false
        var places: [(x: Double, y: Double)] = []
        for point in curve.points {
            guard let number = point.y, let across = x.place(point.x), let up = y.place(number) else {
                isPenDown = false
                continue
            }
            places.append((Self.left + across * plotWidth, height(up)))
            path += "\(isPenDown ? "L" : "M")\(at(across)) \(HTMLText.place(height(up)))"
            isPenDown = true
        }
        guard !places.isEmpty else { return "" }
        let dash = Self.dashes[curve.run % Self.dashes.count]
        let style = "class=\"curve c\(curve.run % Self.colours)\(curve.isStrong ? " strong" : "")\""
        // Markers at a few places tell runs apart, and points that stand alone are seen.
        let isSparse = places.count <= 40
        let marks = curve.isStrong || curve.run > 0 || places.count < 3
        let every = isSparse ? 1 : max(1, places.count / 8)
        var markers = ""
        if marks {
            for (index, place) in places.enumerated()
            where isSparse && curve.isStrong || places.count < 3 || index % every == every / 2 {
                markers += Self.marker(curve.run, place)
            }
        }
        let dashes = dash.isEmpty ? "" : " stroke-dasharray=\"\(dash)\""
        let line = "<path \(style)\(dashes) d=\"\(path)\"/>"
        return markers.isEmpty ? line : line + "<path class=\"mark m\(curve.run % Self.colours)\" d=\"\(markers)\"/>"
    }

    /// A circle, square, triangle or diamond.
    private static func marker(_ run: Int, _ place: (x: Double, y: Double)) -> String {
        let x = HTMLText.place(place.x)
        let y = HTMLText.place(place.y)
        switch run % 4 {
        case 0: return "M\(HTMLText.place(place.x - 3)) \(y)a3 3 0 1 0 6 0a3 3 0 1 0 -6 0"
        case 1: return "M\(HTMLText.place(place.x - 3)) \(HTMLText.place(place.y - 3))h6v6h-6z"
        case 2: return "M\(x) \(HTMLText.place(place.y - 4))l4 7h-8z"
        default: return "M\(x) \(HTMLText.place(place.y - 4.5))l4,4.5l-4,4.5l-4,-4.5z"
        }
    }

    /// The curves' names behind their ends, pushed apart where they would cover each other.
    private func names(_ x: Scale, _ y: Scale) -> String {
        var ends: [(curve: Curve, x: Double, y: Double, label: Double)] = []
        for curve in curves {
            let last = curve.points.last { point in point.y.flatMap { y.place($0) } != nil }
            guard let last, let across = x.place(last.x), let up = last.y.flatMap({ y.place($0) }) else { continue }
            ends.append((curve, Self.left + across * plotWidth, height(up), height(up)))
        }
        ends.sort { $0.y < $1.y }
        guard !isShare || ends.count > 1 else { return "" }
        for index in ends.indices.dropFirst() {
            ends[index].label = max(ends[index].label, ends[index - 1].label + Self.lineHeight)
        }
        if let last = ends.last, last.label > Self.top + plotHeight {
            ends[ends.count - 1].label = Self.top + plotHeight
            for index in ends.indices.dropLast().reversed() {
                ends[index].label = min(ends[index].label, ends[index + 1].label - Self.lineHeight)
            }
        }
        let margin = Self.left + plotWidth
        var svg = ""
        for end in ends {
            let label = HTMLText.place(end.label)
            if end.x < margin - 8 || (end.label - end.y).magnitude > 6 {
                svg +=
                    "<path class=\"leader\" d=\"M\(HTMLText.place(end.x)) \(HTMLText.place(end.y))L\(HTMLText.place(margin + 6)) \(label)\"/>"
            }
            let place = "x=\"\(HTMLText.place(margin + 8))\" y=\"\(HTMLText.place(end.label + 4))\""
            let name = HTMLText.escaped(end.curve.name, longest: Self.longestName)
            svg += "<text class=\"name t\(end.curve.run % Self.colours)\" \(place)>\(name)</text>"
        }
        return svg
    }

    /// What the script needs: where the plot lies, and the numbers themselves.
    private func data(_ x: Scale) -> LogValue {
        let unit = if case .time = axis { "seconds" } else { axisName }
        var curves: [LogValue] = []
        for curve in self.curves {
            let y: [LogValue] = curve.points.map { point in
                if let number = point.y { LogValue.number(number) } else { LogValue.null }
            }
            curves.append(
                .object([.init("name", .text(curve.name)), .init("x", .numbers(curve.points.map(\.x))), .init("y", .list(y))]))
        }
        return .object([
            .init("axis", .text(unit)), .init("left", .number(Self.left)), .init("width", .number(plotWidth)),
            .init("low", .number(x.low)), .init("high", .number(x.high)), .init("curves", .list(curves))
        ])
    }
}
