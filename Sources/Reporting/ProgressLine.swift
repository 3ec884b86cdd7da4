/// The text of a progress line, as Keras draws it:
///
///     Epoch 3/5  120/375 [====>.....] loss 0.1234 accuracy 0.9512 best 0.1432 lr 1.00e-03 45,678 samples/s 7.0 s left of 12 s
struct ProgressLine {
    /// `Epoch 3/5`
    var title: String
    var done: Int
    var total: Int
    /// `loss 0.1234`, then the metrics.
    var figures: [String]
    /// `best 0.1432`; nil before the first validation.
    var best: String?
    var learningRate: String
    var rate: String
    /// `7.0 s left`, and `of 12 s`: of the whole run.
    var timeLeft: String
    var totalTime: String

    /// Bars are between these widths, without brackets.
    static let longestBar = 30, shortestBar = 8

    /// The line in at most `columns` columns, with or without colours. Where space is short the bar shrinks, then the learning rate,
    /// the total time, the metrics from the last one on, the rate, the best value, the bar, the time and at last the loss are left out.
    func text(columns: Int, colors: Bool = false) -> String {
        let totalText = HumanText.count(total)
        let doneText = HumanText.count(done)
        let head =
            title + "  " + String(repeating: " ", count: max(0, totalText.count - doneText.count)) + doneText
            + "/" + totalText
        var figures = figures
        var best = best
        var learningRate: String? = learningRate
        var rate: String? = rate
        var timeLeft: String? = timeLeft
        var totalTime: String? = totalTime
        var hasBar = true
        while true {
            let parts = figures + [best, learningRate, rate, timeLeft, totalTime].compactMap { $0 }
            let tail = parts.map { " " + $0 }.joined()
            // Two brackets and the space before them.
            let room = columns - head.count - tail.count - 3
            if hasBar, room >= Self.shortestBar {
                let bar = bar(min(room, Self.longestBar))
                return (colors ? Color.bold(title) + head.dropFirst(title.count) : head) + " "
                    + (colors ? Color.green(bar) : bar) + tail
            }
            if !hasBar, head.count + tail.count <= columns {
                return (colors ? Color.bold(title) + head.dropFirst(title.count) : head) + tail
            }
            if learningRate != nil {
                learningRate = nil
            } else if totalTime != nil {
                totalTime = nil
            } else if figures.count > 1 {
                figures.removeLast()
            } else if rate != nil {
                rate = nil
            } else if best != nil {
                best = nil
            } else if hasBar {
                hasBar = false
            } else if timeLeft != nil {
                timeLeft = nil
            } else if !figures.isEmpty {
                figures.removeLast()
            } else {
                return String(head.prefix(max(0, columns)))
            }
        }
    }

    /// `[=======>......]`
    private func bar(_ width: Int) -> String {
        let fraction = total > 0 ? min(1, max(0, Double(done) / Double(total))) : 0
        let filled = Int(fraction * Double(width))
        guard filled < width else { return "[" + String(repeating: "=", count: width) + "]" }
        return "[" + String(repeating: "=", count: max(0, filled - 1)) + (filled > 0 ? ">" : "")
            + String(repeating: ".", count: width - filled) + "]"
    }
}
