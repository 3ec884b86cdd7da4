import Diagnostics
import Files
import Foundation
import Pages
import Reporting

extension FuzzTarget {
    /// The logs of a run directory, as `dtrain report` reads them.
    static let reports: [FuzzTarget] = [
        // Each file's reader passes over what is for the others, so that one file can be all of them.
        FuzzTarget("report", largestInput: 2048) { bytes, folder in
            let path = folder.path + "/run"
            for name in ["metrics.jsonl", "logs/times.jsonl", "logs/times.jsonl.old", "logs/rank-0.log"] {
                _ = try folder.write("run/" + name, bytes)
            }
            _ = RankLog.starts(in: try Directory(Place(path)))
            let run = try RunRecord(path: path)
            let times = run.times
            precondition(zip(times.points, times.points.dropFirst()).allSatisfy { $0.step < $1.step }, "steps out of order")
            for step in [0, run.lastStep / 2, run.lastStep, Int.max] {
                precondition(times.seconds(atStep: step)?.isFinite ?? true, "step \(step) has no time")
            }
            let body = try RunReport(runs: [run], models: [nil]).page().body
            // Charts have their numbers in elements of their own; all else that looks like one came from a log.
            let scripts = count("<script type=\"application/json\">", in: body)
            precondition(
                count("<script", in: body) == scripts && count("</script", in: body) == scripts, "a log's text became markup")
        }
    ]

    private static func count(_ part: String, in text: String) -> Int {
        text.withCString { start in
            var (found, next) = (0, strstr(start, part))
            while let place = next { (found, next) = (found + 1, strstr(place + 1, part)) }
            return found
        }
    }
}
