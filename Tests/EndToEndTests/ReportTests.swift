import Foundation
import Reporting
import TestSupport
import Testing

/// `dtrain report`, of runs that are made on the spot.
@Suite("Reports")
struct ReportTests {
    /// The numbers of a page's charts: by title and axis, the curves by name.
    struct Figures {
        struct Chart: Decodable {
            struct Curve: Decodable {
                let name: String
                let x: [Double]
                let y: [Double?]
            }
            let axis: String
            let curves: [Curve]
        }

        let charts: [(title: String, chart: Chart)]

        init(_ html: String) throws {
            charts = try html.components(separatedBy: "<figure class=\"chart").dropFirst().map { part in
                let title = part.components(separatedBy: "<figcaption>")[1].prefix { $0 != "<" }
                let json = part.components(separatedBy: "application/json\">")[1].components(separatedBy: "</script>")[0]
                return (String(title), try JSONDecoder().decode(Chart.self, from: Data(json.utf8)))
            }
        }

        func curve(_ title: String, _ name: String, axis: String = "step") -> Chart.Curve? {
            charts.first { $0.title == title && $0.chart.axis == axis }?.chart.curves.first { $0.name == name }
        }
    }

    static func train(_ bench: Workbench, _ run: String, _ more: String...) throws {
        expectSuccess(
            try bench.dtrain(["--run", run, "--quiet", "--set", "training.epochs=3", "--set", "training.log_every=2"] + more))
    }

    @Test("its numbers are those of metrics.jsonl: curves, validations, the confusion matrix")
    func numbers() throws {
        try withWorkbench { bench in
            try Self.train(bench, "run", "--set", "metrics=[accuracy, confusion_matrix]", "--set", "validation.every_steps=7")
            let outcome = try bench.dtrain("report", "run")
            expectSuccess(outcome)
            #expect(outcome.output == "run/report.html\n")
            let html = bench.text("run/report.html")
            let figures = try Figures(html)
            let run = bench.files("run")
            for (title, key) in [("Loss", "loss"), ("Accuracy", "accuracy"), ("Learning rate", "learning_rate")] {
                let curve = try #require(figures.curve(title, "training"))
                #expect(curve.y == (try run.log("step").map { $0.numbers[key] }))
                #expect(curve.x == (try run.log("step").compactMap { $0.step.map(Double.init) }))
            }
            let validations = try run.log("validation")
            #expect(try #require(figures.curve("Loss", "validation")).y == validations.map { $0.numbers["loss"] })
            for line in validations { #expect(html.contains(">\(line.numbers["loss"] ?? 0)</td>")) }
            // Behind the last step of the run, by the times that were recorded.
            let times = try #require(figures.curve("Loss", "training", axis: "seconds"))
            #expect(times.x == times.x.sorted() && times.x.count == figures.curve("Loss", "training")?.x.count)
            #expect(figures.curve("Throughput, samples per second", "samples/s")?.y.allSatisfy { $0 ?? 0 > 0 } == true)
            // What eval counts.
            let judged = try bench.dtrain("eval", "run", "--json")
            let matrix = try #require(judged.output.components(separatedBy: "\"confusion_matrix\":[[").dropFirst().first)
                .prefix { $0 != "}" }.replacing("]", with: "").replacing("[", with: "").split(separator: ",").map {
                    Int(Double($0) ?? -1)
                }
            let cells = html.components(separatedBy: "<td class=\"h").dropFirst().compactMap {
                Int($0.dropFirst(3).prefix { $0 != "<" })
            }
            #expect(cells == matrix && cells.count == 100)
            #expect(html.components(separatedBy: "src=\"data:image/png;base64,").count == 25)
            #expect(html.contains("conv2d") == false && html.contains(">dense<") && html.contains("9,610"))
        }
    }

    @Test("two classes have a ROC curve, whose area is that of eval; examples of a table are rows")
    func twoClasses() throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Self.table(classes: ["no", "</script><script>alert(1)</script>"]))
            try bench.write("c.yaml", Self.configuration)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "\"><img src=x onerror=alert(1)>", "--quiet"))
            let run = "\"><img src=x onerror=alert(1)>"
            expectSuccess(try bench.dtrain("report", run, "--output", "page.html"))
            let html = bench.text("page.html")
            let area = try #require(
                try bench.dtrain("eval", run).output.split(separator: "\n").first { $0.hasPrefix("roc_auc ") })
            let expected = try #require(Double(area.dropFirst(8)))
            #expect(html.contains("area \(String(format: "%.4f", expected))"), "\(area)")
            // Neither the run's name nor a class's is markup.
            #expect(!html.contains("<img src=x") && !html.contains("<script>alert"))
            #expect(
                html.contains("&lt;img src=x onerror=alert(1)&gt;") && html.contains("&lt;/script&gt;&lt;script&gt;alert(1)"))
            #expect(html.contains("<th scope=\"col\" class=\"n\">x</th>"))
        }
    }

    /// 60 rows of two columns, whose class follows from them but for a few.
    static func table(classes: [String]) -> String {
        "x,y,kind\n"
            + (0..<60).map { row in
                let (x, y) = (row * 37 % 60, row * 11 % 60)
                return "\(x),\(y),\(classes[(x + y > 60) != (row % 9 == 0) ? 1 : 0])"
            }.joined(separator: "\n") + "\n"
    }

    static let configuration = """
        data: {format: csv, train: {path: t.csv, target: kind}, validation_fraction: 0.5, standardize: true}
        model: {layers: [dense: {units: 2}]}
        metrics: [accuracy, roc_auc]
        training: {epochs: 5, global_batch_size: 8, micro_batch_size: 4}
        """

    @Test("several runs lie over each other, with the settings in which they differ; a resume and times of more than one start")
    func several() throws {
        try withWorkbench { bench in
            try Self.train(bench, "a", "--steps", "20")
            try Self.train(bench, "b", "--seed", "7", "--set", "optimizer.adam.learning_rate=0.01")
            expectSuccess(
                try bench.dtrain(
                    "--run", "a", "--resume", "--quiet", "--set", "training.epochs=3", "--set", "training.log_every=2"))
            expectSuccess(try bench.dtrain("report", "a", "b", "--output", "page.html"))
            let html = bench.text("page.html")
            let figures = try Figures(html)
            for run in ["a", "b"] {
                let curve = try #require(figures.curve("Loss", "\(run) train"))
                #expect(curve.y == (try bench.files(run).log("step").map { $0.numbers["loss"] }))
            }
            let differing = html.components(separatedBy: "Settings that differ")[1].components(separatedBy: "</section>")[0]
            #expect(differing.contains(">training.seed<") && differing.contains("learning_rate<"))
            #expect(!differing.contains("log_every") && differing.contains("2 of "))
            let times = try #require(figures.curve("Loss", "a train", axis: "seconds"))
            #expect(times.x == times.x.sorted() && times.x.count == 3 * 23 / 2 && (times.x.last ?? 0) > (times.x.first ?? 0))
            // A run may be named twice, or by a path with a slash behind it.
            expectSuccess(try bench.dtrain("report", "a/", "./a", "--output", "page.html", "--no-data"))
            #expect(!bench.text("page.html").contains("data:image/png"))
        }
    }

    @Test("what isn't a run is refused, and so is an output that can't be written; an old page stays")
    func refusals() throws {
        try withWorkbench { bench in
            expectRefusal(try bench.dtrain("report", "none"), .missingInput, ["none: there is no run here", "runs/digits"])
            try bench.write("folder/file", "x")
            expectRefusal(try bench.dtrain("report", "folder"), .badData, ["folder: not a run directory", "config.yaml"])
            expectRefusal(try bench.dtrain("report", "folder/file"), .badData, ["not a run directory"])
            #expect(try bench.dtrain("report").status == 64)
            try Self.train(bench, "run")
            expectRefusal(try bench.dtrain("report", "run", "--output", "folder"), .cannotCreate, ["folder"])
            expectRefusal(try bench.dtrain("report", "run", "--output", "none/page.html"), .cannotCreate, ["none/page.html"])
            expectRefusal(try bench.dtrain("report", "run", "--output", ""), .usage, ["--output"])
            expectRefusal(try bench.dtrain("report", "run", "--output", "/dev/full"), .inputOutput, ["/dev/full"])
            expectRefusal(try bench.dtrain("report", "run", "--follow", "--output", "/dev/stdout"), .usage, ["--follow"])
            // A link keeps leading where it led.
            try bench.write("page.html", "yesterday")
            symlink("page.html", bench.path("link.html"))
            expectSuccess(try bench.dtrain("report", "run", "--output", "link.html"))
            #expect(bench.text("page.html").hasPrefix("<!doctype html>"))
        }
    }

    @Test("a disk that is full leaves the old page", .enabled(if: SmallDisk.isPermitted, "\(SmallDisk.reason)"))
    func fullDisk() throws {
        try withWorkbench { bench in
            try Self.train(bench, "run")
            try SmallDisk.run(bytes: 1 << 16) { disk in
                let page = disk + "/page.html"
                try bench.write(page, "yesterday")
                SmallDisk.fill(disk + "/ballast")
                expectRefusal(try bench.dtrain("report", "run", "--output", page), .inputOutput, [page, "No space left"])
                #expect(bench.text(page) == "yesterday")
            }
        }
    }

    @Test("a run that has logged nothing, damaged lines, and data that are gone are told on the page")
    func incomplete() throws {
        try withWorkbench { bench in
            try bench.write("new/config.yaml", "data: {format: digits}\n")
            let outcome = try bench.dtrain("report", "new")
            expectEnd(outcome, .success)
            #expect(outcome.errors.contains("note: new: nothing has been logged yet"))
            #expect(bench.text("new/report.html").contains("nothing has been logged yet"))

            try bench.write("t.csv", Self.table(classes: ["no", "yes"]))
            try bench.write("c.yaml", Self.configuration)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet", "--set", "training.log_every=1"))
            let log = bench.text("run/metrics.jsonl").split(separator: "\n").map(String.init)
            let kept = log.prefix(3) + log.dropFirst(5)
            let damaged = log.prefix(3) + ["{\"event\":\"step\",", "\u{0}\u{1}"] + log.dropFirst(5)
            try bench.write("run/metrics.jsonl", damaged.joined(separator: "\n") + "\n{\"ev")
            try bench.remove("t.csv")
            let other = try bench.dtrain("report", "run")
            expectEnd(other, .success)
            let html = bench.text("run/report.html")
            for text in ["2 lines of metrics.jsonl can", "the first is line 4", "t.csv"] {
                #expect(other.errors.contains(text) && html.contains(text), "\(text): \(other)")
            }
            let steps = kept.filter { $0.hasPrefix("{\"event\":\"step\"") }.count
            let curve = try #require(try Figures(html).curve("Loss", "training"))
            #expect(curve.y.count == steps && steps < log.count)
            // The network is known without its data.
            #expect(html.contains(">dense<") && !html.contains("Confusion matrix"))
        }
    }

    @Test("--trace leaves what each rank's time went into", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func phases() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain(
                ["--run", "run", "--quiet", "--trace", "t.json", "--set", "training.epochs=2"], ranks: 2)
            expectSuccess(outcome)
            expectSuccess(try bench.dtrain("report", "run", "--no-data"))
            let part = bench.text("run/report.html").components(separatedBy: "Where the time went")[1]
            #expect(part.contains("rank 0") && part.contains("rank 1 on ") && part.contains(">backward<"))
        }
    }

    @Test("--follow writes the page anew until the run ends, or a signal comes; only then it stops to reload itself")
    func follow() throws {
        try withWorkbench { bench in
            func following(_ run: String) throws -> ChildProcess.Running {
                let report = try bench.start(["report", run, "--follow", "--no-data"], timeLimitSeconds: 100).begin()
                #expect(
                    report.waitUntil { _ in
                        (try? String(contentsOfFile: bench.path("\(run)/report.html"), encoding: .utf8))?.contains(
                            "http-equiv=\"refresh\"") ?? false
                    })
                return report
            }
            let job = try bench.start(["--run", "run", "--quiet", "--set", "training.epochs=1000000"])
            let training = try job.begin()
            #expect(training.waitUntil { _ in bench.exists("run/checkpoints/step-00000000") })
            let interrupted = try following("run")
            interrupted.send(SIGTERM)
            #expect(interrupted.wait().status == 0)
            #expect(
                !bench.text("run/report.html").contains("http-equiv=\"refresh\"")
                    && bench.text("run/report.html").contains("running"))
            let report = try following("run")
            training.send(SIGTERM)
            #expect(try job.wait().status == 75)
            #expect(report.wait().status == 0)
            let html = bench.text("run/report.html")
            #expect(!html.contains("http-equiv=\"refresh\"") && html.contains("interrupted"))
        }
    }
}
