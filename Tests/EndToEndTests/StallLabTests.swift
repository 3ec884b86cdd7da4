import Diagnostics
import Foundation
import TestSupport
import Testing

/// Ranks and networks that fail on one of two hosts, and what is said of it on the first one.
@Suite("Stalls on several hosts", .serialized, .enabled(if: Lab.isPossible, Comment(rawValue: Lab.reason)))
struct StallLabTests {
    /// Trains on hosts of `ranksEach` ranks, runs `script` as soon as there are steps, and waits for the job, whose exit status
    /// is that of the whole. In the script `$job` is mpirun, `await PART` waits until its errors say that, and `on HOST command`
    /// runs a command elsewhere.
    private func train(
        _ bench: Workbench, ranksEach: Int, options: String = "", launcher: String = "", idleSeconds: Double = 1,
        hosts: Int = 2, units: Int = 32, batch: Int = 64, microBatch: Int = 8, _ script: String
    ) throws -> Outcome {
        try bench.write(
            "c.yaml",
            """
            data: {format: digits}
            model: {layers: [{dense: {units: \(units)}}, relu, {dense: {units: \(units)}}, relu, {dense: {units: 10}}]}
            training: {max_steps: 100000000, global_batch_size: \(batch), micro_batch_size: \(microBatch), log_every: 1}
            checkpoint: {every_steps: 1000000}

            """)
        let list = (1...hosts).map { "lab\($0):\(ranksEach)" }.joined(separator: ",")
        let start =
            launcher.isEmpty
            ? "mpirun -q --host \(list) -np \(hosts * ranksEach) -x DTRAIN_IDLE_SECONDS '\(Workbench.program)'"
            : "'\(Workbench.program)' \(launcher)"
        let child = Lab.child(
            hosts: hosts,
            [
                "bash", "-c",
                """
                set -u
                on() { local host=$1; shift; ssh -F "$DTRAIN_LAB_SSH_CONFIG" "$host" "$@"; }
                await() { for ((n = 0; n < 800; n++)); do grep -q "$1" errors && return; sleep 0.05; done; echo "no $1" >&2; }
                \(start) train c.yaml --run r --quiet \(options) 2> errors &
                job=$!
                for ((n = 0; n < 400; n++)); do grep -q '"step":3,' r/metrics.jsonl 2> /dev/null && break; sleep 0.05; done
                \(script)
                wait $job
                code=$?
                cat errors >&2
                exit $code
                """
            ], directory: bench.folder, environment: ["DTRAIN_IDLE_SECONDS": String(idleSeconds)], timeLimitSeconds: 90)
        let running = try child.start()
        let result = running.wait()
        return Outcome(result: result, survivors: running.awaitProcesses(seconds: 5).map(\.identifier))
    }

    private func lines(_ outcome: Outcome, _ part: String) -> [Substring] { outcome.errorLines.filter { $0.contains(part) } }

    @Test("a stopped rank on another host is named with its host and pid there, once, and that it goes on")
    func stopped() throws {
        try withWorkbench { bench in
            let outcome = try train(
                bench, ranksEach: 2,
                """
                victim=$(on lab2 'pgrep -f "[d]train train c.yaml" | tail -n 1')
                on lab2 "kill -STOP $victim"
                await 'has not moved'
                on lab2 "kill -CONT $victim"
                await 'moves on'
                echo "victim $victim"
                kill -USR1 $job
                """)
            #expect(outcome.status == ExitCode.interrupted.rawValue && outcome.survivors.isEmpty, "\(outcome)")
            let victim = outcome.outputLines.first { $0.hasPrefix("victim ") }?.dropFirst(7) ?? "?"
            let found = lines(outcome, "has not moved for")
            #expect(found.count == 1, "\(outcome)")
            let warning = found.first ?? ""
            #expect(
                warning.hasPrefix("warning: rank ") && warning.contains("(host lab2, pid \(victim))")
                    && warning.contains("kill -CONT \(victim) on lab2 lets it go on; ranks 0")
                    && warning.hasSuffix(" wait for it"), "\(outcome)")
            #expect(lines(outcome, "moves on after").count == 1, "\(outcome)")
            #expect(lines(outcome, "hasn't answered").isEmpty, "\(outcome)")
        }
    }

    @Test("--stall-timeout ends a job whose rank on another host is stopped, on both hosts")
    func ends() throws {
        try withWorkbench { bench in
            let outcome = try train(
                bench, ranksEach: 1, options: "--stall-timeout 2",
                """
                on lab2 'kill -STOP $(pgrep -x dtrain)'
                wait $job
                code=$?
                for host in lab1 lab2; do
                    for ((n = 0; n < 50; n++)); do on $host "pgrep '^(dtrain|orted)'" > /dev/null || break; sleep 0.1; done
                    on $host "pgrep -a '^(dtrain|orted)'; ls /dev/shm"
                done
                cat errors >&2
                exit $code
                """)
            expectRefusal(outcome, .stalled, ["rank 1 (host lab2, pid ", "it is stopped (SIGSTOP)", "the job is ended"])
            #expect(outcome.output.isEmpty, "\(outcome)")
        }
    }

    @Test("a rank that gets on slower than those of other hosts is named once, with its host, pid there and phase")
    func straggler() throws {
        try withWorkbench { bench in
            // The watcher's minute is 3.75 s; the rank has a tenth of the time for more than another one. launch/test.sh runs this
            // behind the other tests: beside them any rank may be the slowest one.
            let outcome = try train(
                bench, ranksEach: 1, idleSeconds: 0.5, hosts: 3, units: 1024, batch: 384, microBatch: 64,
                """
                victim=$(on lab2 'pgrep -x dtrain')
                on lab2 "while kill -STOP $victim; do sleep 0.09; kill -CONT $victim; sleep 0.01; done 2> /dev/null" &
                await 'makes the others wait'
                sleep 5
                echo "victim $victim"
                kill -USR1 $job
                """)
            #expect(outcome.status == ExitCode.interrupted.rawValue && outcome.survivors.isEmpty, "\(outcome)")
            let victim = outcome.outputLines.first { $0.hasPrefix("victim ") }?.dropFirst(7) ?? "?"
            let found = lines(outcome, "makes the others wait")
            let pattern =
                "^warning: rank 1 \\(host lab2, pid \(victim)\\) makes the others wait: for [34] s it has computed [0-9.]+ times "
                + "as long as the median rank, most of the difference in (forward|backward|combining gradients); see what"
            #expect(found.count == 1 && found[0].range(of: pattern, options: .regularExpression) != nil, "\(outcome)")
        }
    }
}
