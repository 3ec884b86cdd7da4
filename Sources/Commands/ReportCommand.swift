import ArgumentParser
import Diagnostics
import Files
import Foundation
import Pages
import Reporting
import Sweeping

/// `dtrain report RUN [RUN…]`.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "A page of HTML on one or several runs, or a sweep: curves, mistakes, times, settings that differ.",
        discussion:
            "The page needs no network and no other file. Runs may still be going on; nothing is changed in them but for the page."
    )

    @Argument(help: "Run directories, or the directory of a sweep.", completion: .directory)
    var runs: [String]

    @Option(help: ArgumentHelp("Where the page goes (default: report.html in the first run directory).", valueName: "file"))
    var output: String?

    @Flag(help: "Write the page anew while the runs go on, until they end or a signal comes.")
    var follow = false

    @Flag(name: .customLong("no-data"), help: "Leave out what needs the data: confusion matrix, ROC curve, examples.")
    var leavesDataOut = false

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Override a key of the stored configurations, such as a data path.", valueName: "key=value"))
    var overrides: [String] = []

    /// Seconds between two looks at the runs.
    private static let lookSeconds = 2.0

    func validate() throws {
        if runs.count > RunReport.mostRuns {
            throw ValidationError("\(runs.count) runs: expected at most \(RunReport.mostRuns) on one page")
        }
        if output == "" { throw ValidationError("--output: an empty path; name a file, or leave the option out") }
    }

    func run() throws {
        if follow { StopSignal.install(isLaunched: false) }
        var models: [String: (checkpoints: [String], view: ModelView)] = [:]
        var told: Set<String> = []
        let path = output ?? trimmingSlashes(runs[0]) + "/report.html"
        if let sweep = runs.first(where: SweepDirectory.isSweep) { return try report(sweep: sweep, to: path) }
        while true {
            let records = try runs.map { try RunRecord(path: $0) }
            let views = records.map { record -> ModelView? in
                if let known = models[record.path], known.checkpoints == record.checkpoints { return known.view }
                let view = ModelView(run: record.path, overrides: overrides, readsData: !leavesDataOut, catalogue: .inForce)
                models[record.path] = (record.checkpoints, view)
                return view
            }
            for text in notes(records, views) where told.insert(text).inserted { StandardStream.tell("note", text) }
            let report = RunReport(runs: records, models: views, isFollowing: follow && !StopSignal.isRaised)
            try write(try report.page().html(), to: path)
            if told.insert("written").inserted { try StandardStream.output.line(path) }
            // The last page doesn't reload itself.
            guard report.isFollowing, report.isRunning else { return }
            wait()
        }
    }

    /// The page of a sweep.
    private func report(sweep: String, to path: String) throws {
        guard runs.count == 1 else {
            throw Failure(
                .usage, "\(sweep): a sweep has a page of its own; name it alone, or name runs in it (\(sweep)/trial-0000)")
        }
        guard overrides.isEmpty, !leavesDataOut else {
            throw Failure(.usage, "\(sweep): the page of a sweep reads no data; leave out --set and --no-data")
        }
        var isFirst = true
        while true {
            let directory = try SweepDirectory(reading: sweep)
            let table = try directory.table(.inForce)
            let isFollowing = follow && !table.isComplete && !StopSignal.isRaised
            let report = SweepReport(
                path: directory.path, table, bestConfiguration: try directory.bestConfiguration(), isFollowing: isFollowing)
            try write(try report.page().html(), to: path)
            if isFirst { try StandardStream.output.line(path) }
            isFirst = false
            guard isFollowing else { return }
            wait()
        }
    }

    /// What is missing on the page, for whoever starts the command.
    private func notes(_ records: [RunRecord], _ views: [ModelView?]) -> [String] {
        var notes: [String] = []
        for (record, view) in zip(records, views) {
            if !record.damagedLines.isEmpty { notes.append("\(record.path): \(RunReport.damage(record))") }
            if record.lines.isEmpty { notes.append("\(record.path): nothing has been logged yet") }
            if let problem = view?.problem { notes.append("\(record.path): \(problem)") }
        }
        return notes
    }

    private func write(_ html: String, to path: String) throws {
        let file = try OutputFile(path: path)
        if follow, !file.canChange {
            throw Failure(.usage, "--output \(path): not a file; a page that --follow writes anew needs one")
        }
        var html = html
        do {
            try html.withUTF8 { try file.write(UnsafeRawBufferPointer($0)) }
            try file.commit()
        } catch let error as SystemError {
            // Whoever reads a pipe has seen enough.
            if error.code == EPIPE { throw ReaderGone() }
            throw error.failure()
        }
    }

    private func wait() {
        for _ in 0..<Int(Self.lookSeconds * 20) where !StopSignal.isRaised { usleep(50_000) }
    }
}
