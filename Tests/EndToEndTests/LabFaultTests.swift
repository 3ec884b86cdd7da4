import Diagnostics
import Foundation
import TestSupport
import Testing

/// What happens to hosts, and what becomes of the job; see `launch/lab.sh`.
@Suite("Faults of hosts", .serialized, .enabled(if: Lab.isPossible, Comment(rawValue: Lab.reason)))
struct LabFaultTests {
    /// An end that no machine reaches in time, and checkpoints on the way.
    private static let endless = """
        data: {format: digits}
        model: {layers: [{dense: {units: 128}}, relu, {dense: {units: 10}}]}
        training: {max_steps: 100000000, global_batch_size: 256, micro_batch_size: 32, log_every: 1}
        validation: {every_steps: 1000000000}
        checkpoint: {every_steps: 50}

        """

    /// In it `on HOST command` runs a command elsewhere, `last` is the last step of run r, `since TIME` the milliseconds since
    /// then, and `left HOST` what a host has of a job.
    private static let prelude = """
        set -u
        dtrain='\(Workbench.program)'
        on() { ssh -F "$DTRAIN_LAB_SSH_CONFIG" "$@"; }
        now() { date +%s%3N; }
        last() { tail -n 1 r/metrics.jsonl 2> /dev/null | sed -n 's/.*"step":\\([0-9]*\\),"epoch".*/\\1/p'; }
        await_step() { until (($(last) + 0 > $1)); do sleep 0.02; done; }
        left() { on "$1" 'pgrep -x "dtrain|orted"; pgrep -x mpirun; ls -d /dev/shm/* $TMPDIR/ompi* 2> /dev/null' | grep -v "$ignored"; }

        """

    enum Fault: String, CaseIterable, Sendable {
        case rank, mpirun, launcher, helper, link, host

        /// What makes it, in bash.
        var command: String {
            switch self {
            case .rank: "on lab2 'pkill -KILL -n -x dtrain'"
            case .mpirun: "pkill -KILL -x mpirun"
            case .launcher: "kill -KILL $job"
            case .helper: "on lab2 'pkill -KILL -x orted'"
            case .link: "lab-link down lab2"
            case .host: "lab-host kill lab2"
            }
        }
    }

    @Test(
        "a rank, mpirun, the launcher or its helper killed, a cable cut, a host without power: five seconds later nothing of the job is left on any host",
        arguments: isFullMatrix ? Fault.allCases : [.mpirun, .link])
    func gone(_ fault: Fault) throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.endless)
            // A host that is cut off looks by itself.
            // A launcher that was killed leaves its directory to the next one.
            let script = """
                ignored='\(fault == .launcher ? "/dev/shm/dtrain-" : "^$")'
                "$dtrain" train c.yaml --run r --hosts lab1:2,lab2:2,lab3 --quiet > output 2> errors &
                job=$!
                await_step 60
                on lab2 'nohup sh -c "while pgrep -x dtrain > /dev/null; do sleep 0.05; done; date +%s%3N > $TMPDIR/end" \
                > /dev/null 2>&1 &'
                begin=$(now)
                \(fault.command)
                wait $job 2> /dev/null; echo "status $?"
                while [[ -n $(left lab1)$(left lab3) ]]; do sleep 0.05; (($(now) < begin + 20000)) || break; done
                echo "gone $(($(now) - begin))"
                left lab1; left lab3
                case \(fault.rawValue) in
                    host) exit 0 ;;
                    link) while (($(now) < begin + 5000)); do sleep 0.1; done; lab-link up lab2 ;;
                esac
                until on lab2 'test -s $TMPDIR/end' || (($(now) > begin + 20000)); do sleep 0.05; done
                echo "away $(($(on lab2 'cat $TMPDIR/end') - begin))"
                left lab2
                true
                """
            let outcome = try lab(bench, hosts: 3, script)
            #expect(outcome.status == 0 && outcome.survivors.isEmpty, "\(outcome)")
            var lines = outcome.outputLines
            for mark in ["gone ", "away "] {
                guard let index = lines.firstIndex(where: { $0.hasPrefix(mark) }) else {
                    #expect(mark == "away " && fault == .host, "no \(mark): \(outcome)")
                    continue
                }
                let milliseconds = Int(lines.remove(at: index).dropFirst(mark.count)) ?? .max
                // What is promised is 5 s; three hosts share two cores with other tests.
                #expect(milliseconds < 8000, "\(fault): \(mark)\(milliseconds) ms")
            }
            #expect(lines.count == 1 && lines[0].hasPrefix("status "), "\(fault): left behind \(lines)")
        }
    }

    @Test("a job goes on without the host that has lost its power, to the bits of a run that nothing happened to")
    func restart() throws {
        try withWorkbench { bench in
            try bench.write("c.yaml", Self.endless)
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "plain", "--steps", "1500", "--quiet"))
            let outcome = try lab(
                bench, hosts: 3,
                """
                "$dtrain" train c.yaml --run r --steps 1500 --hosts lab1,lab2,lab3 --restart 2 --quiet &
                job=$!
                await_step 60
                begin=$(now)
                lab-host kill lab2
                until [[ $(grep -c " start: " r/logs/rank-1.log) == 2 ]]; do sleep 0.05; done
                until [[ $(last) != "${before:=$(last)}" ]]; do sleep 0.02; done
                echo "again $(($(now) - begin))"
                wait $job; echo "status $?"
                """)
            #expect(outcome.survivors.isEmpty && outcome.outputLines.contains("status 0"), "\(outcome)")
            let again = outcome.outputLines.first { $0.hasPrefix("again ") }.flatMap { Int($0.dropFirst("again ".count)) }
            #expect(again.map { $0 < 15_000 } == true, "\(outcome)")
            #expect(outcome.errors.contains("starting again, 1 of 2 times, from step "), "\(outcome)")
            #expect(outcome.errors.contains(", on 2 ranks of lab1:1,lab3:1; left out: lab2"), "\(outcome)")
            expectSameResult(bench.files("r"), bench.files("plain"))
        }
    }

    private func lab(_ bench: Workbench, hosts: Int, _ script: String) throws -> Outcome {
        let running = try Lab.child(hosts: hosts, ["bash", "-c", Self.prelude + script], directory: bench.folder).start()
        let result = running.wait()
        return Outcome(result: result, survivors: running.awaitProcesses(seconds: 5).map(\.identifier))
    }
}
