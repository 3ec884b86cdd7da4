import Reporting
import Testing

/// Collects what is written, standard output and standard error apart or together as one terminal.
final class TestOutput: TextOutput {
    var text = ""
    var writes = 0

    func write(_ text: String) {
        self.text += text
        writes += 1
    }

    /// The rows of a terminal that shows the text; `\r` goes back to the row's start.
    var screen: [String] {
        var rows: [[Character]] = [[]]
        var column = 0
        for character in text {
            switch character {
            case "\n":
                rows.append([])
                column = 0
            case "\r": column = 0
            default:
                if column < rows[rows.count - 1].count {
                    rows[rows.count - 1][column] = character
                } else {
                    rows[rows.count - 1].append(character)
                }
                column += 1
            }
        }
        return rows.map { row in
            var row = row
            while row.last == " " { row.removeLast() }
            return String(row)
        }
    }

    var longestRow: Int {
        text.split(whereSeparator: { $0 == "\n" || $0 == "\r" }).map(\.count).max() ?? 0
    }
}

/// A clock and a width that the test turns.
final class Stage {
    var seconds = 100.0
    var columns = 120
    let output = TestOutput()
    let errors: TestOutput

    init(errors: TestOutput? = nil) { self.errors = errors ?? output }

    func reporter(
        _ style: ProgressReporter.Style, epochs: Int? = 5, stepsPerEpoch: Int = 375, totalSteps: Int = 1875,
        metrics: [String] = ["accuracy"], usesColor: Bool = false
    ) -> ProgressReporter {
        ProgressReporter(
            style: style, usesColor: usesColor,
            plan: .init(epochs: epochs, stepsPerEpoch: stepsPerEpoch, totalSteps: totalSteps),
            metricNames: metrics, output: output, errors: errors, columns: { self.columns },
            clock: { self.seconds })
    }
}

@Suite("The progress line")
struct ProgressReporterTests {
    private func figures(
        _ stepInEpoch: Int, epoch: Int = 3, step: Int? = nil, loss: Double = 0.12344,
        samples: Int = 128
    ) -> StepFigures {
        StepFigures(
            epoch: epoch, stepInEpoch: stepInEpoch, step: step ?? stepInEpoch, samples: samples, loss: loss,
            learningRate: 0.001)
    }

    /// 120 steps of 128 samples in 0.336 s: 45,714 samples/s, 255 more steps in 0.71 s.
    private func run(_ stage: Stage, _ reporter: ProgressReporter, to last: Int = 120, seconds: Double = 0.336) {
        reporter.beginEpoch()
        for step in 1..<last { reporter.step(figures(step), metrics: [0.9512]) }
        stage.seconds += seconds
        reporter.step(figures(last), metrics: [0.9512])
    }

    @Test(
        "is laid out to the width of the terminal and never reaches its last column",
        arguments: [
            (
                200,
                "Epoch 3/5  120/375 [========>.....................] "
                    + "loss 0.1234 accuracy 0.9512 best 0.1111 lr 1.00e-03 45,714 samples/s 4.9 s left of 5.2 s"
            ),
            (
                120,
                "Epoch 3/5  120/375 [=>.......] "
                    + "loss 0.1234 accuracy 0.9512 best 0.1111 lr 1.00e-03 45,714 samples/s 4.9 s left of 5.2 s"
            ),
            (
                104,
                "Epoch 3/5  120/375 [===>..........] "
                    + "loss 0.1234 accuracy 0.9512 best 0.1111 45,714 samples/s 4.9 s left"
            ),
            (80, "Epoch 3/5  120/375 [======>................] loss 0.1234 best 0.1111 4.9 s left"),
            (60, "Epoch 3/5  120/375 [===>...........] loss 0.1234 4.9 s left"),
            (50, "Epoch 3/5  120/375 loss 0.1234 4.9 s left"),
            (40, "Epoch 3/5  120/375 loss 0.1234"),
            (30, "Epoch 3/5  120/375"),
            (10, "Epoch 3/5"),
            (1, "")
        ])
    func widths(columns: Int, expected: String) {
        let stage = Stage()
        stage.columns = columns
        let reporter = stage.reporter(.terminal)
        reporter.noteBest(0.1111)
        run(stage, reporter)
        #expect(stage.output.screen == [expected])
        #expect(stage.output.longestRow < columns)
    }

    @Test("is redrawn at most ten times a second")
    func redraws() {
        let stage = Stage()
        let reporter = stage.reporter(.terminal)
        reporter.beginEpoch()
        for step in 1...350 {
            reporter.step(figures(step), metrics: [0.5])
            stage.seconds += 0.01
        }
        #expect((30...36).contains(stage.output.writes), "\(stage.output.writes) drawings in 3.5 s")
    }

    @Test("leaves nothing of a longer line behind")
    func shorterLine() {
        let stage = Stage()
        let reporter = stage.reporter(.terminal)
        reporter.beginEpoch()
        reporter.step(figures(1, loss: 1e10), metrics: [1e-9])
        stage.columns = 60
        stage.seconds += 1
        reporter.step(figures(2, loss: 0), metrics: [0.5])
        #expect(stage.output.screen.count == 1)
        let visible = stage.output.screen[0].prefix(59).reversed().drop { $0 == " " }.reversed()
        #expect(String(visible).hasSuffix("left"))
        #expect(stage.output.text.split(separator: "\r").last.map { $0.count < 60 } == true)
    }

    @Test("gives way to the line of the epoch, with means weighted by samples and the validation")
    func epochLine() {
        for (style, rows) in [(ProgressReporter.Style.terminal, 2), (.lines, 2)] {
            let stage = Stage()
            stage.columns = 140
            let reporter = stage.reporter(style)
            reporter.beginEpoch()
            reporter.step(figures(1, loss: 1, samples: 300), metrics: [0.5])
            stage.seconds += 2
            reporter.step(figures(2, loss: 3, samples: 100), metrics: [0.9])
            reporter.pause()
            stage.seconds += 61
            reporter.resume()
            reporter.endEpoch(3, validation: [("loss", 0.00001), ("accuracy", 0.9467)])
            #expect(stage.output.screen.count == rows)
            #expect(
                stage.output.screen[0] == "Epoch 3/5  loss 1.5000 accuracy 0.6000 | validation loss 1.0000e-05 "
                    + "accuracy 0.9467 | lr 1.00e-03 200 samples/s 1 min 3 s")
        }
    }

    @Test(
        "the line of an epoch fits the terminal; learning rate, rate, metrics and time are left out first",
        arguments: [
            (
                200,
                "Epoch 3/25  loss 1.5000 accuracy 0.6000 f1 0.5500 | validation loss 1.2500 accuracy 0.9467 f1 0.9111"
                    + " | lr 1.00e-03 200 samples/s 2.0 s"
            ),
            (
                125,
                "Epoch 3/25  loss 1.5000 accuracy 0.6000 f1 0.5500 | validation loss 1.2500 accuracy 0.9467 f1 0.9111"
                    + " | 200 samples/s 2.0 s"
            ),
            (
                110,
                "Epoch 3/25  loss 1.5000 accuracy 0.6000 f1 0.5500 | validation loss 1.2500 accuracy 0.9467 f1 0.9111 | 2.0 s"
            ),
            (100, "Epoch 3/25  loss 1.5000 accuracy 0.6000 | validation loss 1.2500 accuracy 0.9467 f1 0.9111 | 2.0 s"),
            (90, "Epoch 3/25  loss 1.5000 | validation loss 1.2500 accuracy 0.9467 f1 0.9111 | 2.0 s"),
            (80, "Epoch 3/25  loss 1.5000 | validation loss 1.2500 accuracy 0.9467 f1 0.9111"),
            (70, "Epoch 3/25  loss 1.5000 | validation loss 1.2500 accuracy 0.9467"),
            (60, "Epoch 3/25  loss 1.5000 | validation loss 1.2500"),
            (40, "Epoch 3/25  validation loss 1.2500"),
            (33, "Epoch 3  validation loss 1.2500"),
            (30, "Epoch 3  val loss 1.2500"),
            (24, "Epoch 3  loss 1.5000"),
            (5, "Epoc")
        ])
    func epochWidths(columns: Int, expected: String) {
        let stage = Stage()
        stage.columns = columns
        let reporter = stage.reporter(.terminal, epochs: 25, metrics: ["accuracy", "f1"])
        reporter.beginEpoch()
        stage.seconds += 2
        reporter.step(figures(1, loss: 1.5, samples: 400), metrics: [0.6, 0.55])
        reporter.endEpoch(3, validation: [("loss", 1.25), ("accuracy", 0.9467), ("f1", 0.9111)])
        #expect(stage.output.screen == [expected, ""])
        #expect(stage.output.longestRow < columns)
    }

    @Test("every line fits every width of 40 columns and more, and says a loss", arguments: 40...140)
    func everyWidth(columns: Int) {
        for (step, epoch) in [(7, 1), (99_999, 12), (1_234_567, 1000)] {
            for validation in [[], [("loss", 0.00001234), ("mean_absolute_error", 12.5), ("r2", -3.25)]] {
                let stage = Stage()
                stage.columns = columns
                let reporter = stage.reporter(.terminal, epochs: 1000, totalSteps: 1_500_000, metrics: ["mean_absolute_error"])
                reporter.beginEpoch()
                stage.seconds += 4000
                reporter.step(figures(1, epoch: epoch, step: step, loss: 0.00009), metrics: [12.5])
                reporter.validation(afterStep: step, epoch: epoch, validation.isEmpty ? [("loss", 1)] : validation)
                reporter.endEpoch(epoch, validation: validation)
                let lines = stage.output.screen.dropLast()
                #expect(lines.count == 2 && lines.allSatisfy { $0.contains("loss ") }, "\(lines)")
                #expect(stage.output.longestRow < columns)
            }
        }
    }

    @Test(
        "the line of a validation within an epoch fits the terminal too",
        arguments: [
            (100, "Step 1,500/1,875 (epoch 4)  validation loss 0.5000 accuracy 0.9000"),
            (60, "Step 1,500/1,875 (epoch 4)  validation loss 0.5000"),
            (40, "Step 1,500  validation loss 0.5000")
        ])
    func validationWidths(columns: Int, expected: String) {
        let stage = Stage()
        stage.columns = columns
        let reporter = stage.reporter(.terminal)
        reporter.validation(afterStep: 1500, epoch: 4, [("loss", 0.5), ("accuracy", 0.9)])
        #expect(stage.output.screen == [expected, ""])
    }

    @Test("what comes from names and paths is shown, never obeyed")
    func controlCharacters() {
        let stage = Stage(errors: TestOutput())
        let reporter = stage.reporter(.lines)
        reporter.line("runs/\u{1b}[2J\n: 3 parameters")
        reporter.note("\u{202e}txt")
        reporter.warning(String(repeating: "\r", count: 5000))
        #expect(stage.output.text == "runs/\\x1b[2J\\n: 3 parameters\n")
        let messages = stage.errors.text.split(separator: "\n")
        #expect(messages.count == 2 && messages[0] == "note: \\u202etxt" && messages[1].count < 1100)
        #expect(!stage.errors.text.contains("\r"))
    }

    @Test("starts anew with each epoch")
    func nextEpoch() {
        let stage = Stage()
        let reporter = stage.reporter(.lines)
        run(stage, reporter)
        reporter.endEpoch(3)
        reporter.beginEpoch()
        reporter.step(figures(1, epoch: 4, loss: 2, samples: 4), metrics: [.nan])
        stage.seconds += 1
        reporter.endEpoch(4)
        #expect(
            stage.output.screen == [
                "Epoch 3/5  loss 0.1234 accuracy 0.9512 | lr 1.00e-03 45,714 samples/s 0.3 s",
                "Epoch 4/5  loss 2.0000 | lr 1.00e-03 4.0 samples/s 1.0 s", ""
            ])
    }

    @Test("without a terminal there are only whole lines")
    func withoutTerminal() {
        let stage = Stage(errors: TestOutput())
        let reporter = stage.reporter(.lines)
        reporter.line("training")
        run(stage, reporter)
        reporter.validation(afterStep: 1500, epoch: 4, [("loss", 0.5)])
        reporter.endEpoch(3)
        reporter.note("a note")
        reporter.warning("a warning")
        reporter.clear()
        #expect(
            stage.output.text == """
                training
                Step 1,500/1,875 (epoch 4)  validation loss 0.5000
                Epoch 3/5  loss 0.1234 accuracy 0.9512 | lr 1.00e-03 45,714 samples/s 0.3 s

                """)
        #expect(stage.errors.text == "note: a note\nwarning: a warning\n")
    }

    @Test("is that of the run where only steps end it")
    func stepsOnly() {
        let stage = Stage()
        let reporter = stage.reporter(.terminal, epochs: nil, stepsPerEpoch: 10, totalSteps: 20_000, metrics: [])
        reporter.beginEpoch()
        stage.seconds += 1
        reporter.step(figures(5, step: 5000))
        #expect(
            stage.output.screen == [
                "Step   5,000/20,000 [======>......................] loss 0.1234 lr 1.00e-03 "
                    + "128 samples/s 4 h 10 min left of 4 h 10 min"
            ])
        reporter.endEpoch(501)
        #expect(stage.output.screen == ["Epoch 501  loss 0.1234 | lr 1.00e-03 128 samples/s 1.0 s", ""])
    }

    @Test("is not torn by messages, which come once")
    func messages() {
        let stage = Stage()
        stage.columns = 60
        let reporter = stage.reporter(.terminal)
        run(stage, reporter)
        let line = "Epoch 3/5  120/375 [===>...........] loss 0.1234 4.9 s left"
        #expect(stage.output.screen == [line])
        reporter.warning("the disk is full")
        reporter.warning("the disk is full")
        reporter.note("short")
        #expect(stage.output.screen == ["warning: the disk is full", "note: short", line])
        reporter.clear()
        #expect(stage.output.screen == ["warning: the disk is full", "note: short", ""])
    }

    @Test("colours take no columns, and leave the same text")
    func colors() {
        for columns in [40, 80, 200] {
            let (plain, painted) = (Stage(), Stage())
            for stage in [plain, painted] {
                stage.columns = columns
                let reporter = stage.reporter(.terminal, usesColor: stage === painted)
                run(stage, reporter)
                reporter.endEpoch(3, validation: [("loss", 0.25)])
            }
            #expect(painted.output.text.contains("\u{1b}[1mEpoch 3/5\u{1b}[0m"))
            let stripped = painted.output.text.replacing(/\u{1b}\[\d+m/, with: "")
            #expect(stripped == plain.output.text)
        }
    }

    @Test("a terminal that can't draw over what stands there gets whole lines that fit")
    func dumbTerminal() {
        let stage = Stage()
        stage.columns = 40
        let reporter = stage.reporter(.fittingLines, epochs: 25)
        run(stage, reporter)
        reporter.endEpoch(3, validation: [("loss", 1.25), ("accuracy", 0.9467)])
        #expect(stage.output.text == "Epoch 3/25  validation loss 1.2500\n")
    }

    @Test("what is said of ranks is on as many lines as it takes")
    func ranks() {
        let stage = Stage()
        stage.columns = 30
        let reporter = stage.reporter(.terminal)
        reporter.ranks(["rank 0 12 x", "rank 1 13 x", "rank 2 14 x"])
        #expect(stage.output.screen == ["rank 0 12 x | rank 1 13 x", "rank 2 14 x", ""])
    }

    @Test("quiet shows nothing but warnings")
    func quiet() {
        let stage = Stage()
        let reporter = stage.reporter(.quiet)
        run(stage, reporter)
        reporter.endEpoch(3)
        reporter.validation(afterStep: 3, epoch: 1, [])
        reporter.line("x")
        reporter.note("x")
        #expect(stage.output.text.isEmpty)
        reporter.warning("x")
        #expect(stage.output.text == "warning: x\n")
    }
}

@Suite("Numbers as people read them")
struct HumanTextTests {
    @Test("counts, times, rates, rates of learning and losses")
    func numbers() {
        #expect(
            [0, 12, 999, 1000, 1_234_567, -1000, Int.min].map(HumanText.count)
                == ["0", "12", "999", "1,000", "1,234,567", "-1,000", "-9,223,372,036,854,775,808"])
        #expect(
            [0, 999, 1000, 38_149, 999_949, 999_950, 2_400_000, 1_600_000_000, 7 << 50].map(HumanText.bytes)
                == ["0 bytes", "999 bytes", "1.0 KB", "38.1 KB", "999.9 KB", "1.0 MB", "2.4 MB", "1.6 GB", "7881.3 TB"])
        #expect(
            [7.9, 60, 3599, 3723, 360_000, -1, .nan, .infinity].map(HumanText.duration(seconds:))
                == ["7.9 s", "1 min 0 s", "59 min 59 s", "1 h 2 min", "4 d 4 h", "-", "-", "-"])
        #expect(
            [0, 0.0001, 0.0014, 0.0996, 0.1, 0.249, 0.94, 0.99, 1, 1.9].map(HumanText.duration(seconds:))
                == ["0 s", "0 ms", "1 ms", "0.1 s", "0.1 s", "0.2 s", "0.9 s", "1.0 s", "1.0 s", "1.9 s"])
        #expect(
            [45_678.4, 10, 9.96, 0, .nan, 1e300].map(HumanText.rate(samplesPerSecond:))
                == [
                    "45,678 samples/s", "10 samples/s", "10.0 samples/s", "0.0 samples/s", "- samples/s",
                    "1,000,000,000,000,000 samples/s"
                ])
        #expect([0.001, 0.0123456, 1, 0].map(HumanText.learningRate) == ["1.00e-03", "1.23e-02", "1.00e+00", "0"])
        #expect(
            [0.12344, 0, 0.0001, 0.00009, 99_999.5, 100_000, -2, .nan, .infinity, -.infinity].map(HumanText.figure)
                == [
                    "0.1234", "0.0000", "0.0001", "9.0000e-05", "99999.5000", "1.0000e+05", "-2.0000",
                    "nan", "inf", "-inf"
                ])
    }
}
