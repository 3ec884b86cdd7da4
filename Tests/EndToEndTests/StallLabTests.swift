import Diagnostics
import Foundation
import TestSupport
import Testing

/// Ranks and networks that fail on one of two hosts, and what is said of it on the first one.
@Suite("Stalls on several hosts", .serialized, .enabled(if: Lab.isPossible, Comment(rawValue: Lab.reason)))
struct StallLabTests {
    /// Trains on two hosts of `ranksEach` ranks, runs `script` as soon as there are steps, and waits for the job, whose exit status
    /// is that of the whole. In the script `$job` is mpirun, `await PART` waits until its errors say that, and `on HOST command`
    /// runs a command elsewhere.
    private func train(
        _ bench: Workbench, ranksEach: Int, options: String = "", launcher: String = "", idleSeconds: Double = 1,
        _ script: String
    ) throws -> Outcome {
        try bench.write(
            "c.yaml",
            """
            data: {format: digits}
            model: {layers: [{dense: {units: 32}}, relu, {dense: {units: 10}}]}
            training: {max_steps: 100000000, global_batch_size: 64, micro_batch_size: 8, log_every: 1}
            checkpoint: {every_steps: 1000000}

            """)
        let list = (1...2).map { "lab\($0):\(ranksEach)" }.joined(separator: ",")
        let start =
            launcher.isEmpty
            ? "mpirun -q --host \(list) -np \(2 * ranksEach) -x DTRAIN_IDLE_SECONDS '\(Workbench.program)'"
            : "'\(Workbench.program)' \(launcher)"
        let child = Lab.child(
            hosts: 2,
            [
                "bash", "-c",
                """
                set -u
                on() { local host=$1; shift; ssh -F "$DTRAIN_LAB_SSH_CONFIG" "$host" "$@"; }
                await() { for ((n = 0; n < 400; n++)); do grep -q "$1" errors && return; sleep 0.05; done; echo "no $1" >&2; }
                \(start) train c.yaml --run r --quiet \(options) 2> errors &
                job=$!
                for ((n = 0; n < 400; n++)); do grep -q '"step":3,' r/metrics.jsonl 2> /dev/null && break; sleep 0.05; done
                \(script)
                wait $job
                code=$?
                cat errors >&2
                exit $code
                """
            ], directory: bench.folder, environment: ["DTRAIN_IDLE_SECONDS": String(idleSeconds)], timeLimitSeconds: 60)
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
}
