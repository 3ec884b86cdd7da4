import Diagnostics
import Foundation
import TestSupport
import Testing

/// Several hosts with networks, names, memory and files of their own, made by `launch/lab.sh`.
@Suite("Several hosts", .serialized, .enabled(if: Lab.isPossible, Comment(rawValue: Lab.reason)))
struct LabTests {
    private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// Five epochs of the built-in digits.
    private static let digits = ["train", "--set", "training.epochs=5", "--quiet"]

    /// Runs a script of bash on the first of so many hosts. In it `$dtrain` is the program, `$hosts` the hostfile,
    /// `$local` launch/local.sh, and `on HOST command` runs a command elsewhere.
    private func lab(_ bench: Workbench, hosts: Int, _ script: String) throws -> Outcome {
        let prelude = """
            set -u
            hosts=$DTRAIN_LAB_HOSTFILE dtrain='\(Workbench.program)' local='\(Self.repository)/launch/local.sh'
            on() { local host=$1; shift; ssh -F "$DTRAIN_LAB_SSH_CONFIG" "$host" "$@"; }
            """
        let child = Lab.child(hosts: hosts, ["bash", "-c", prelude + "\n" + script], directory: bench.folder)
        let running = try child.start()
        let result = running.wait()
        return Outcome(result: result, survivors: running.awaitProcesses(seconds: 5).map(\.identifier))
    }

    /// The command line of mpirun with as many ranks on each host.
    private func mpirun(hosts: Int, ranksEach: Int, _ arguments: [String]) -> String {
        let list = (1...hosts).map { "lab\($0):\(ranksEach)" }.joined(separator: ",")
        return "mpirun -q --host \(list) -np \(hosts * ranksEach) \"$dtrain\" \(arguments.joined(separator: " "))"
    }

    static let shapes =
        isFullMatrix ? [(1, 2), (2, 1), (2, 2), (2, 4), (3, 1), (3, 2), (3, 3), (4, 1)] : [(2, 1), (2, 2), (3, 1)]

    @Test("digits on two and three hosts end in the checkpoint of one process", arguments: shapes)
    func sameBits(_ hosts: Int, _ ranksEach: Int) throws {
        try withWorkbench { bench in
            let plain = try bench.dtrain(Self.digits + ["--run", "plain"])
            expectSuccess(plain)
            let several = try lab(
                bench, hosts: hosts, mpirun(hosts: hosts, ranksEach: ranksEach, Self.digits + ["--run", "several"]))
            expectSuccess(several)
            #expect(several.digest == plain.digest)
            expectSameResult(bench.files("several"), bench.files("plain"))
        }
    }

    @Test("a run goes from one process to two hosts of two ranks and back")
    func resume() throws {
        try withWorkbench { bench in
            let whole = try bench.dtrain(Self.digits + ["--run", "whole"])
            expectSuccess(whole)
            expectSuccess(try bench.dtrain(Self.digits + ["--run", "parts", "--steps", "31"]))
            let middle = try lab(
                bench, hosts: 2,
                mpirun(hosts: 2, ranksEach: 2, Self.digits + ["--run", "parts", "--steps", "77", "--resume"]))
            expectSuccess(middle)
            #expect(bench.files("parts").steps.last == 77)
            let end = try bench.dtrain(Self.digits + ["--run", "parts", "--resume"])
            expectSuccess(end)
            #expect(end.digest == whole.digest)
            expectSameResult(bench.files("parts"), bench.files("whole"))
        }
    }

    @Test("a run directory that only the first host has, and data that lie on each host, end in the same bits")
    func ownFiles() throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Material.csv(Material.trees()))
            try bench.write("c.yaml", Material.table("t.csv", steps: 20))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "plain", "--quiet"))
            let several = try lab(
                bench, hosts: 2,
                """
                folder=$PWD
                cp c.yaml t.csv "$TMPDIR"
                on lab2 "cp '$folder/c.yaml' '$folder/t.csv' $TMPDIR" || exit 90
                cd "$TMPDIR"
                "$dtrain" train c.yaml --run run --quiet --ranks 2 --hosts lab1,lab2 --steps 9 || exit 91
                "$dtrain" train c.yaml --run run --quiet --hosts lab1,lab2:2 --steps 15 --resume || exit 92
                "$dtrain" train c.yaml --run other --quiet --hosts lab1,lab2 --resume run/checkpoints/step-00000009 \
                    --steps 10 || exit 93
                # What another host has of the name, or an older state, isn't the run.
                on lab2 "rm -r $TMPDIR/run; cp -r '$folder/plain' $TMPDIR/run; rm -r $TMPDIR/run/checkpoints/step-00000020"
                "$dtrain" train c.yaml --run run --quiet --ranks 2 --hosts lab1,lab2 --resume || exit 94
                on lab2 "cmp $TMPDIR/run/metrics.jsonl '$folder/plain/metrics.jsonl' && rm -r $TMPDIR/run" || exit 95
                "$dtrain" train c.yaml --run run --quiet --hosts lab1,lab2 --resume || exit 96
                on lab2 "find $TMPDIR/run $TMPDIR/other ! -type d ! -name '.*'; ls $TMPDIR/run" | grep . && exit 97
                cp -r run "$folder/several"
                """)
            #expect(several.status == 0, "\(several)")
            expectSameResult(bench.files("several"), bench.files("plain"))
            // Rank 0 writes what the other rank has to say, which has no such directory.
            let log = bench.text("several/logs/rank-1.log")
            #expect(log.contains(", rank 1 of 2 on lab2, process ") && log.hasSuffix(" end: step 20, finished\n"), "\(log)")
            #expect(log.components(separatedBy: ", rank 1 of 3 on lab2, process ").count == 2, "\(log)")
        }
    }

    /// What the second host has otherwise, and what is then said.
    static let differences: [(spoil: String, code: ExitCode, parts: [String])] = [
        (
            "sed -i s/max_steps:.20/max_steps:\\ 120/ $TMPDIR/c.yaml", .badConfiguration,
            ["rank 1 on lab2 differs from rank 0 on lab1 in the configuration: found max_steps: 120, expected max_steps: 20"]
        ),
        (
            "echo 0.5,0.5,ash >> $TMPDIR/t.csv", .badConfiguration,
            ["rank 1 on lab2 differs from rank 0 on lab1 in the training data"]
        ),
        ("echo >> $TMPDIR/dtrain", .badConfiguration, ["rank 1 on lab2 differs from rank 0 on lab1 in the program's file"]),
        ("rm $TMPDIR/t.csv", .missingInput, ["rank 1 on lab2: ", "t.csv"]),
        ("rm $TMPDIR/dtrain", .missingInput, ["--hosts: lab2 has no program ", "/dtrain; install it there"])
    ]

    @Test("the host whose program, configuration or data differ is named", arguments: differences.indices)
    func difference(_ index: Int) throws {
        let difference = Self.differences[index]
        try withWorkbench { bench in
            try bench.write("t.csv", Material.csv(Material.trees()))
            try bench.write("c.yaml", Material.table("t.csv", steps: 20))
            let outcome = try lab(
                bench, hosts: 2,
                """
                folder=$PWD
                for host in lab1 lab2; do on $host "cp '$folder/c.yaml' '$folder/t.csv' '$dtrain' $TMPDIR" || exit 90; done
                on lab2 \(Self.quoted(difference.spoil)) || exit 91
                cd "$TMPDIR"
                "$TMPDIR/dtrain" train c.yaml --run run --quiet --ranks 2 --hosts lab1,lab2
                """)
            expectRefusal(outcome, difference.code, difference.parts)
        }
    }

    private static func quoted(_ text: String) -> String { "'" + text + "'" }

    @Test("--hosts and local.sh --hostfile start ranks where they are told to, and say what is wrong with a host")
    func starting() throws {
        try withWorkbench { bench in
            expectSuccess(try bench.dtrain(Self.digits + ["--run", "plain"]))
            let words = Self.digits.joined(separator: " ")
            let outcome = try lab(
                bench, hosts: 2,
                """
                "$dtrain" \(words) --run hosts --hosts lab1,lab2:2 || exit 90
                "$local" --hostfile "$hosts" "$dtrain" \(words) --run hostfile || exit 91
                "$dtrain" --ranks 4 --hosts lab1,lab2:2; echo "slots $?"
                "$dtrain" --hosts lab1,nowhere; echo "name $?"
                "$dtrain" --hosts lab1,-oProxyCommand=x; echo "option $?"
                "$local" --hostfile "$hosts" -np 3 "$dtrain"; echo "file slots $?"
                echo nowhere slots=1 > "$TMPDIR/h"
                "$local" --hostfile "$TMPDIR/h" "$dtrain"; echo "file name $?"
                """)
            #expect(outcome.survivors.isEmpty)
            for line in ["slots 64", "name 74", "option 64", "file slots 64", "file name 74"] {
                #expect(outcome.outputLines.contains { $0 == line }, "\(line): \(outcome)")
            }
            for part in [
                "--ranks 4: the hosts of --hosts lab1:1,lab2:2 have room for 3", "--hosts: nowhere can't be reached (ssh: ",
                "\"-oProxyCommand=x\" is no host", "local.sh: -np 3: the hosts of", "local.sh: nowhere can't be reached (ssh: "
            ] {
                #expect(outcome.errors.contains(part), "\(part): \(outcome)")
            }
            expectSameResult(bench.files("hosts"), bench.files("plain"))
            expectSameResult(bench.files("hostfile"), bench.files("plain"))
        }
    }

    @Test("where both hosts have a docker0 of the same address, Open MPI is kept to the other network, and that is said")
    func docker() throws {
        try withWorkbench { bench in
            let outcome = try lab(
                bench, hosts: 2,
                """
                add='ip link add docker0 type bridge && ip address add 172.17.0.1/16 dev docker0 && ip link set docker0 up'
                bash -c "$add" && on lab2 "$add" || exit 90
                "$dtrain" train --set training.epochs=1 --run r --quiet --hosts lab1,lab2
                """)
            expectSuccess(outcome)
            #expect(
                outcome.errors.contains("note: --hosts: docker0 (172.17.0.1) of lab1 and lab2 leads to no other host; "),
                "\(outcome)")
        }
    }

    @Test("an ordinary user starts ranks on other hosts as root does")
    func ordinaryUser() throws {
        try withWorkbench { bench in
            let child = Lab.child(
                hosts: 2,
                [
                    "bash", "-c",
                    "cd \"$TMPDIR\" && whoami && '\(Workbench.program)' train --set training.epochs=1 --run r --quiet --hosts lab1:2,lab2:2 "
                        + "&& cat r/logs/rank-3.log && ssh -F \"$DTRAIN_LAB_SSH_CONFIG\" lab2 'ls /dev/shm'"
                ], directory: "/", options: ["--user"])
            let result = try child.run()
            #expect(result.status == 0 && result.output.hasPrefix("lab\ndigest "), "\(result)")
            #expect(result.output.contains("rank 3 of 4 on lab2, process "), "\(result)")
            #expect(!result.output.contains("dtrain-"), "\(result)")
        }
    }

    @Test("the command's exit code is the lab's, and nothing is left behind", arguments: [0, 7, 75])
    func exitCode(_ code: Int32) throws {
        try expectNothingLeft("exit \(code)", code: code) { _ in }
    }

    @Test("a lab whose script is ended by a signal leaves nothing behind", arguments: [SIGTERM, SIGINT, SIGHUP, SIGKILL])
    func signals(_ signal: Int32) throws {
        try expectNothingLeft("touch ready; sleep 1000", code: 128 + signal) { $0.send(signal) }
    }

    @Test("a command that ignores SIGTERM is killed after ten seconds", .enabled(if: isFullMatrix, "takes ten seconds"))
    func stubborn() throws {
        try expectNothingLeft("trap '' TERM; touch ready; while :; do sleep 1; done", code: 128 + SIGKILL) { $0.send(SIGTERM) }
    }

    @Test("when all of its processes are killed at once, the next lab removes the directory that is left")
    func everythingKilled() throws {
        try withWorkbench { bench in
            let first = try start(bench, "touch ready; sleep 1000")
            #expect(first.waitUntil { _ in bench.exists("ready") })
            first.program.send(SIGSTOP)
            first.killAll()
            _ = first.wait()
            #expect(first.awaitProcesses(seconds: 5).isEmpty)
            #expect(try start(bench, "true").wait().status == 0)
            #expect(bench.names("temporary").isEmpty)
        }
    }

    @Test("two labs side by side don't know of each other")
    func sideBySide() throws {
        try withWorkbench { bench in
            let labs = try (1...2).map { try start(bench, "echo \($0) > $TMPDIR/x; sleep 1; on lab2 hostname; cat $TMPDIR/x") }
            for (index, running) in labs.enumerated() {
                let result = running.wait()
                #expect(result.status == 0 && result.output == "lab2\n\(index + 1)\n", "\(result)")
            }
        }
    }

    /// Starts a lab of two hosts whose temporary directory is the bench's.
    private func start(_ bench: Workbench, _ script: String) throws -> ChildProcess.Running {
        try FileManager.default.createDirectory(atPath: bench.path("temporary"), withIntermediateDirectories: true)
        let prelude = "on() { local host=$1; shift; ssh -F \"$DTRAIN_LAB_SSH_CONFIG\" \"$host\" \"$@\"; }\n"
        return try Lab.child(
            hosts: 2, ["bash", "-c", prelude + script], directory: bench.folder,
            environment: ["TMPDIR": bench.path("temporary")], timeLimitSeconds: 60
        ).start()
    }

    /// Runs `script` in a lab, does something once the script has made the file `ready`, and looks for what is left.
    private func expectNothingLeft(
        _ script: String, code: Int32, sourceLocation: SourceLocation = #_sourceLocation,
        _ interfere: (ChildProcess.Running) -> Void
    ) throws {
        try withWorkbench { bench in
            let before = ChildProcess.Running.namespacesInUse()
            // On the other host something runs that nobody ends.
            let running = try start(
                bench, "on lab2 'sleep 1000 > /dev/null 2>&1 & echo' > /dev/null\ntouch seen; sleep 0.3\n" + script)
            #expect(running.waitUntil { _ in bench.exists("seen") }, sourceLocation: sourceLocation)
            let own = running.namespaces().subtracting(before)
            // The lab's own, and two hosts.
            #expect(own.filter { $0.hasPrefix("net:") }.count == 3, "\(own)", sourceLocation: sourceLocation)
            if script.contains("ready") {
                #expect(running.waitUntil { _ in bench.exists("ready") }, sourceLocation: sourceLocation)
            }
            interfere(running)
            let result = running.wait()
            #expect(!result.timedOut && result.status == code, "\(result)", sourceLocation: sourceLocation)
            let left = running.awaitProcesses(seconds: 5)
            #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
            // A process that was killed has its namespaces until the kernel has cleared it away.
            let end = Date().addingTimeInterval(5)
            while !ChildProcess.Running.namespacesInUse().isDisjoint(with: own), Date() < end { usleep(10_000) }
            #expect(
                ChildProcess.Running.namespacesInUse().isDisjoint(with: own), "namespaces are left",
                sourceLocation: sourceLocation)
            #expect(bench.names("temporary").isEmpty, sourceLocation: sourceLocation)
            let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
            #expect(!mounts.contains(bench.folder), sourceLocation: sourceLocation)
        }
    }
}
