import Foundation
import Reporting

extension RunReport {
    /// Everything that was logged step by step, over steps and, where times were recorded, over time.
    var curves: String {
        guard runs.contains(where: { !$0.steps.isEmpty || !$0.validations.isEmpty }) else { return "" }
        let hasTimes = runs.contains { $0.times.points.count > 1 }
        var html = "<section aria-labelledby=\"curves\"><h2 id=\"curves\">Curves</h2>\n"
        if hasTimes {
            html +=
                "<input type=\"radio\" name=\"axis\" id=\"by-step\" checked> <label for=\"by-step\">over steps</label> "
                + "<input type=\"radio\" name=\"axis\" id=\"by-time\"> <label for=\"by-time\">over time</label>\n"
        }
        html += "<p class=\"quiet hint\">Point at a chart, or focus it and press ← → Home End, to read its values.</p>\n"
        html += "<div class=\"charts\">\n"
        for key in keys {
            html += chart(key, over: .step)?.html(style: "by-step") ?? ""
            if hasTimes { html += chart(key, over: .time)?.html(style: "by-time") ?? "" }
        }
        html += throughput(over: .step)?.html(style: "by-step") ?? ""
        if hasTimes { html += throughput(over: .time)?.html(style: "by-time") ?? "" }
        return html + "</div></section>\n"
    }

    /// What any run has logged: loss, metrics, learning rate, norm of the gradient.
    private var keys: [String] {
        var metrics: Set<String> = []
        var others: Set<String> = []
        for run in runs {
            for line in run.steps + run.validations {
                metrics.formUnion(Self.metricKeys(line))
                others.formUnion(["learning_rate", "gradient_norm"].filter { line.numbers[$0] != nil })
            }
        }
        return metrics.sorted(by: Self.isBefore) + others.sorted(by: >)
    }

    private func label(_ index: Int, _ part: String) -> String {
        runs.count == 1 ? part : "\(names[index].prefix(11)) \(part)"
    }

    /// The curve of a key in each run, of training and of validation; nil where there are no numbers.
    private func chart(_ key: String, over axis: Chart.Axis) -> Chart? {
        var curves: [Chart.Curve] = []
        for (index, run) in runs.enumerated() {
            let parts = [
                (runs.count == 1 ? "training" : "train", run.steps), (runs.count == 1 ? "validation" : "val", run.validations)
            ]
            for (place, (part, lines)) in parts.enumerated() {
                let points = points(run.curve(key, of: lines), of: run, over: axis)
                guard points.contains(where: { $0.y != nil }) else { continue }
                // One run's two curves are told apart by colour as well.
                let style = runs.count == 1 ? place : index
                curves.append(Chart.Curve(label(index, part), run: style, isStrong: place == 1, points: points))
            }
        }
        guard !curves.isEmpty else { return nil }
        return Chart(Self.title(key), axis, curves)
    }

    private func points(_ values: [(step: Int, value: Double?)], of run: RunRecord, over axis: Chart.Axis) -> [CurvePoint] {
        guard case .time = axis else { return values.map { CurvePoint(Double($0.step), $0.value) } }
        return values.compactMap { step, value in run.times.seconds(atStep: step).map { CurvePoint($0, value) } }
    }

    private func throughput(over axis: Chart.Axis) -> Chart? {
        let curves = runs.enumerated().compactMap { index, run -> Chart.Curve? in
            let points = run.times.points.compactMap { point -> CurvePoint? in
                let isTime = if case .time = axis { true } else { false }
                return point.samplesPerSecond.map { CurvePoint(isTime ? point.seconds : Double(point.step), $0) }
            }
            guard !points.isEmpty else { return nil }
            return Chart.Curve(
                runs.count == 1 ? "samples/s" : String(names[index].prefix(16)), run: index, isStrong: false, points: points)
        }
        return curves.isEmpty ? nil : Chart("Throughput, samples per second", axis, curves)
    }
}
