import Diagnostics
import Foundation
import Timing

/// What one optimizer step came to, for the progress line.
package struct StepFigures: BitwiseCopyable, Sendable {
    /// The epoch, from 1.
    package var epoch: Int
    /// Steps of the epoch that are done, this one included.
    package var stepInEpoch: Int
    /// Steps of the run that are done, this one included.
    package var step: Int
    /// Samples of this step over all ranks.
    package var samples: Int
    package var loss: Double
    package var learningRate: Double

    package init(epoch: Int, stepInEpoch: Int, step: Int, samples: Int, loss: Double, learningRate: Double) {
        self.epoch = epoch
        self.stepInEpoch = stepInEpoch
        self.step = step
        self.samples = samples
        self.loss = loss
        self.learningRate = learningRate
    }
}

/// What a person sees of a run: on a terminal a progress line that is redrawn in place and one line per epoch;
/// elsewhere one line per epoch only; quiet: errors alone.
///
/// One thread uses it, rank 0's training loop. The loss and metrics shown are means over the epoch so far, weighted by
/// samples, as in Keras.
package final class ProgressReporter {
    /// How much is shown.
    package enum Style: Sendable {
        /// A progress line redrawn in place. Whether there is a terminal is for the caller to know: under mpirun a
        /// rank's output is a pty even when mpirun's is a file.
        case terminal
        /// Whole lines only, as wide as they are: a file.
        case lines
        /// Whole lines that fit: a terminal that can't draw over what stands there.
        case fittingLines
        /// Errors only.
        case quiet
        /// Nothing: whoever runs many runs tells of them. What there is to say stands in the ranks' logs.
        case silent
    }

    /// How far the run goes.
    package struct Plan: Sendable {
        /// Nil where only `totalSteps` ends the run; the bar is then that of the run.
        package var epochs: Int?
        package var stepsPerEpoch: Int
        /// The global step after which the run ends.
        package var totalSteps: Int

        package init(epochs: Int?, stepsPerEpoch: Int, totalSteps: Int) {
            self.epochs = epochs
            self.stepsPerEpoch = stepsPerEpoch
            self.totalSteps = totalSteps
        }
    }

    /// Seconds between two drawings of the line.
    static let redrawSeconds = 0.1

    private let style: Style
    private var isQuiet: Bool { style == .quiet || style == .silent }
    private let usesColor: Bool
    private let plan: Plan
    private let metricNames: [String]
    private let output: any TextOutput
    private let errors: any TextOutput
    private let columns: () -> Int
    private let clock: () -> Double
    private let log: RankLog?

    /// The progress line that stands on the terminal, without a newline behind it.
    private var drawn = ""
    private var lastDrawn = -Double.infinity
    private var printed: Set<String> = []

    /// When the first epoch began, and the steps since then.
    private var begin: Double?
    private var stepsInAll = 0
    /// The best validation so far.
    private var best: Double?

    // The epoch so far.
    private var epochStart = 0.0
    /// Seconds of training in the epochs before.
    private var earlierSeconds = 0.0
    private var pausedSince: Double?
    private var pausedSeconds = 0.0
    private var stepsSeen = 0
    private var samplesSeen = 0.0
    private var lossSum = 0.0
    private var metricSums: [Double]
    private var learningRate = 0.0

    /// `metricNames` are the training metrics that come with each step. `columns` is the terminal's width. `clock` can be
    /// replaced in tests. `usesColor` is whether lines have colours. `log` gets every note and warning, also when quiet.
    package init(
        style: Style, usesColor: Bool = false, plan: Plan, metricNames: [String] = [], output: any TextOutput,
        errors: any TextOutput,
        columns: @escaping () -> Int, log: RankLog? = nil,
        clock: @escaping () -> Double = { MonotonicClock.seconds }
    ) {
        self.style = style
        self.usesColor = usesColor
        self.plan = plan
        self.metricNames = metricNames
        self.output = output
        self.errors = errors
        self.columns = columns
        self.clock = clock
        self.log = log
        metricSums = Array(repeating: 0, count: metricNames.count)
        epochStart = clock()
    }

    // MARK: - Training

    /// Begins the clock and the means of an epoch.
    package func beginEpoch() {
        begin = begin ?? clock()
        earlierSeconds += trainingSeconds(clock())
        epochStart = clock()
        pausedSince = nil
        pausedSeconds = 0
        stepsSeen = 0
        samplesSeen = 0
        lossSum = 0
        for index in metricSums.indices { metricSums[index] = 0 }
    }

    /// Notes a step and redraws the line if that was long enough ago; allocates only then. Metrics that are NaN for
    /// now are not shown.
    package func step(_ figures: StepFigures, metrics values: UnsafeBufferPointer<Double>) {
        precondition(values.count == metricSums.count, "\(values.count) metrics for \(metricSums.count) names")
        let weight = Double(figures.samples)
        stepsSeen += 1
        stepsInAll += 1
        samplesSeen += weight
        lossSum += weight * figures.loss
        for index in values.indices { metricSums[index] += weight * values[index] }
        learningRate = figures.learningRate
        guard style == .terminal else { return }
        let now = clock()
        guard now - lastDrawn >= Self.redrawSeconds else { return }
        lastDrawn = now
        draw(line(figures, now).text(columns: columns() - 1, colors: usesColor))
    }

    /// The same with metrics in an array.
    package func step(_ figures: StepFigures, metrics values: [Double] = []) {
        values.withUnsafeBufferPointer { step(figures, metrics: $0) }
    }

    /// Stops the clock that samples per second and the time left are reckoned by (validation, a checkpoint).
    package func pause() {
        if pausedSince == nil { pausedSince = clock() }
    }

    /// Lets it run again.
    package func resume() {
        if let since = pausedSince { pausedSeconds += clock() - since }
        pausedSince = nil
    }

    /// Says which value of what is monitored is the best so far; nil: there is none.
    package func noteBest(_ value: Double?) { best = value }

    /// Ends an epoch with its line. `training` are name and value of the epoch's training figures, the loss first, where
    /// the caller knows them better than the mean over the steps seen here (after a resume, or for metrics that aren't
    /// means); `validation` are those of what was validated after it, empty where nothing was.
    package func endEpoch(
        _ epoch: Int, training: [(name: String, value: Double)]? = nil,
        validation: [(name: String, value: Double)] = []
    ) {
        let now = clock()
        let seconds = trainingSeconds(now)
        finalLine(
            EpochLine(
                title: title(epoch: epoch), shortTitle: "Epoch \(HumanText.count(epoch))",
                training: training.map(Self.figures) ?? means(), validation: Self.figures(validation),
                learningRate: "lr \(HumanText.learningRate(learningRate))",
                rate: HumanText.rate(samplesPerSecond: seconds > 0 ? samplesSeen / seconds : .nan),
                time: HumanText.duration(seconds: now - epochStart)))
    }

    /// The line of a validation that came by steps, within an epoch.
    package func validation(afterStep step: Int, epoch: Int, _ values: [(name: String, value: Double)]) {
        let short = "Step \(HumanText.count(step))"
        finalLine(
            EpochLine(
                title: "\(short)/\(HumanText.count(plan.totalSteps)) (epoch \(HumanText.count(epoch)))",
                shortTitle: short, validation: Self.figures(values)))
    }

    /// Seconds of training in the epochs so far, without validations and checkpoints.
    package var trainedSeconds: Double { earlierSeconds + trainingSeconds(clock()) }

    // MARK: - Other lines

    /// A line to standard output, above the progress line; not when quiet.
    package func line(_ text: String) {
        guard !isQuiet else { return }
        above { output.write(printable(text) + "\n") }
    }

    /// Lines of what is said of each rank, as many on a line as fit; not when quiet.
    package func ranks(_ items: [String]) {
        guard !isQuiet else { return }
        let width = style == .lines ? 100 : max(1, columns() - 1)
        var row = ""
        for item in items {
            if !row.isEmpty, row.count + 3 + item.count > width {
                line(row)
                row = ""
            }
            row += (row.isEmpty ? "" : " | ") + item
        }
        if !row.isEmpty { line(row) }
    }

    /// `note: …` to standard error; a text that was printed before isn't repeated. Not when quiet.
    package func note(_ text: String) { message(.note, text) }

    /// `warning: …` to standard error; a text that was printed before isn't repeated.
    package func warning(_ text: String) { message(.warning, text) }

    /// Takes the progress line away: at the end of the run, or before somebody else prints.
    package func clear() {
        guard !drawn.isEmpty else { return }
        output.write("\r" + String(repeating: " ", count: min(Color.width(of: drawn), max(0, columns() - 1))) + "\r")
        drawn = ""
    }

    private func message(_ kind: RankLog.Kind, _ text: String) {
        let line = "\(kind.rawValue): \(messageLine(text))\n"
        guard printed.insert(line).inserted else { return }
        log?.add(kind, text)
        if style == .silent || kind == .note && isQuiet { return }
        above { errors.write(line) }
    }

    private func finalLine(_ line: EpochLine) {
        guard !isQuiet else { return }
        clear()
        // A file has no width, and what isn't known isn't guessed.
        let text = line.text(columns: style == .lines ? nil : columns() - 1)
        if usesColor, let end = text.range(of: "  ")?.lowerBound {
            output.write(Color.bold(String(text[..<end])) + text[end...] + "\n")
        } else {
            output.write(text + "\n")
        }
        lastDrawn = -.infinity
    }

    /// Prints without tearing the progress line: takes it away and puts it back below.
    private func above(_ print: () -> Void) {
        let line = drawn
        clear()
        print()
        if !line.isEmpty { draw(line) }
    }

    /// Draws over what stood there. Spaces wipe the rest, since not every terminal knows escape sequences.
    private func draw(_ text: String) {
        let leftover = min(Color.width(of: drawn), max(0, columns() - 1)) - Color.width(of: text)
        output.write("\r" + text + String(repeating: " ", count: max(0, leftover)))
        drawn = text
    }

    // MARK: - Text

    private func title(epoch: Int) -> String {
        "Epoch \(HumanText.count(epoch))" + (plan.epochs.map { "/\(HumanText.count($0))" } ?? "")
    }

    private func line(_ figures: StepFigures, _ now: Double) -> ProgressLine {
        let (done, total) =
            plan.epochs == nil
            ? (figures.step, plan.totalSteps) : (figures.stepInEpoch, plan.stepsPerEpoch)
        let seconds = trainingSeconds(now)
        // Of the whole run, with its validations and checkpoints.
        let elapsed = now - (begin ?? now)
        let timeLeft = Double(max(0, plan.totalSteps - figures.step)) * elapsed / Double(max(1, stepsInAll))
        return ProgressLine(
            title: plan.epochs == nil ? "Step" : title(epoch: figures.epoch), done: done, total: total,
            figures: means(), best: best.map { "best \(HumanText.figure($0))" },
            learningRate: "lr \(HumanText.learningRate(figures.learningRate))",
            rate: HumanText.rate(samplesPerSecond: seconds > 0 ? samplesSeen / seconds : .nan),
            timeLeft: "\(HumanText.duration(seconds: timeLeft)) left",
            totalTime: "of \(HumanText.duration(seconds: elapsed + timeLeft))")
    }

    /// Seconds of the epoch so far without its pauses.
    private func trainingSeconds(_ now: Double) -> Double {
        (pausedSince ?? now) - epochStart - pausedSeconds
    }

    /// `loss 0.1234`, `accuracy 0.9512`: the means of the epoch so far.
    private func means() -> [String] {
        guard samplesSeen > 0 else { return [] }
        return ["loss \(HumanText.figure(lossSum / samplesSeen))"]
            + zip(metricNames, metricSums).filter { !$1.isNaN }.map { "\($0) \(HumanText.figure($1 / samplesSeen))" }
    }

    private static func figures(_ values: [(name: String, value: Double)]) -> [String] {
        values.map { "\($0.name) \(HumanText.figure($0.value))" }
    }
}
