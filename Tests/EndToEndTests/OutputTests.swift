import Diagnostics
import Foundation
import TestSupport
import Testing

/// What commands write for a person.
@Suite("Outputs", .serialized)
struct OutputTests {
    /// Runs `body` with a run, a table of inputs, and what its predictions are.
    private func withModel(_ body: (Workbench, _ expected: Data) throws -> Void) throws {
        try withWorkbench { bench in
            try bench.write("t.csv", Material.csv(Material.trees()))
            try bench.write("c.yaml", Material.table("t.csv", steps: 4))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run", "--quiet"))
            let outcome = try bench.dtrain("predict", "run", "t.csv")
            expectSuccess(outcome)
            try body(bench, Data(outcome.output.utf8))
        }
    }

    private func status(_ bench: Workbench, _ name: String) -> stat {
        var status = stat()
        lstat(bench.path(name), &status)
        return status
    }

    @Test("the input may be the output, also by another name")
    func inPlace() throws {
        try withModel { bench, expected in
            for (input, output) in [("a.csv", "a.csv"), ("b.csv", "link"), ("link", "b.csv"), ("c.csv", "./sub/../c.csv")] {
                for name in ["a.csv", "b.csv", "c.csv"] {
                    try? bench.remove(name)
                    try bench.copy("t.csv", to: name)
                }
                mkdir(bench.path("sub"), 0o755)
                unlink(bench.path("link"))
                symlink("b.csv", bench.path("link"))
                expectSuccess(try bench.dtrain("predict", "run", input, "--output", output))
                #expect(bench.bytes(output) == expected, "\(input) → \(output)")
                #expect(status(bench, "link").st_mode & S_IFMT == S_IFLNK)
            }
        }
    }

    @Test("a command that fails leaves the old file, and makes none where there was none")
    func failing() throws {
        try withModel { bench, _ in
            try bench.write("out.csv", "yesterday")
            try bench.write("bad.csv", "x,y\n1,2\n")
            for output in ["out.csv", "new.csv"] {
                for input in ["bad.csv", "none.csv", "c.yaml"] {
                    let outcome = try bench.dtrain("predict", "run", input, "--output", output)
                    #expect(outcome.status != 0 && outcome.messages.count == 1, "\(outcome)")
                }
            }
            #expect(bench.text("out.csv") == "yesterday" && !bench.exists("new.csv"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder).allSatisfy { !$0.hasPrefix(".") })
        }
    }

    @Test("standard output, descriptors and pipes are written into where they stand")
    func streams() throws {
        try withModel { bench, expected in
            let program = Workbench.program
            let text = String(decoding: expected, as: UTF8.self)
            for (script, wanted) in [
                (
                    "{ echo first; \"$0\" predict run t.csv --output /dev/stdout; echo last; } > out",
                    "first\n" + text + "last\n"
                ),
                ("\"$0\" predict run t.csv --output out > out", text),
                (
                    "{ echo first; \"$0\" predict run t.csv --output /dev/fd/7 >&2; echo last; } 7>&1 > out 7>&1",
                    "first\n" + text + "last\n"
                ),
                ("\"$0\" predict run t.csv --output >(cat > out); sleep 0.3", text),
                ("mkfifo p; cat p > out & \"$0\" predict run t.csv --output p; wait; test -p p", text),
                ("\"$0\" predict run t.csv --output /dev/full; test $? = 74 && echo full > out", "full\n"),
                ("\"$0\" predict run t.csv > /dev/full; test $? = 74 && echo full > out", "full\n")
            ] {
                unlink(bench.path("out"))
                let result = try bench.run("/bin/bash", ["-c", script, program])
                #expect(result.status == 0 && bench.text("out") == wanted, "\(script): \(result)")
            }
        }
    }

    @Test("killed while it computes, it leaves the old file and nothing beside it")
    func killed() throws {
        try withModel { bench, _ in
            try bench.write("out.csv", "yesterday")
            let script = "\"$0\" predict run t.csv --output out.csv & kill -9 $!; wait $!; test $? = 137"
            for _ in 0..<5 {
                let result = try bench.run("/bin/bash", ["-c", script, Workbench.program])
                #expect(result.status == 0 || bench.text("out.csv") != "yesterday", "\(result)")
                #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder).allSatisfy { !$0.hasPrefix(".") })
            }
        }
    }

    @Test(
        "a file that can be written in a directory that can't is overwritten; mode and owner stay",
        .enabled(if: OrdinaryUser.isPossible, "\(OrdinaryUser.reason)"))
    func unwritableDirectory() throws {
        try withModel { bench, expected in
            try bench.write("closed/out.csv", String(repeating: "yesterday", count: 1000))
            chmod(bench.path("closed/out.csv"), 0o620)
            _ = try bench.asOrdinaryUser("--version")
            chmod(bench.path("closed"), 0o555)
            defer { chmod(bench.path("closed"), 0o755) }
            let before = status(bench, "closed/out.csv")
            let failed = try bench.asOrdinaryUser("predict", "run", "none.csv", "--output", "closed/out.csv")
            #expect(failed.status == 66 && bench.text("closed/out.csv").hasPrefix("yesterday"))
            expectSuccess(try bench.asOrdinaryUser("predict", "run", "t.csv", "--output", "closed/out.csv"))
            let after = status(bench, "closed/out.csv")
            #expect(bench.bytes("closed/out.csv") == expected)
            #expect(after.st_mode == before.st_mode && after.st_uid == before.st_uid && after.st_ino == before.st_ino)
            expectRefusal(
                try bench.asOrdinaryUser("predict", "run", "t.csv", "--output", "closed/new.csv"), .cannotCreate,
                ["closed/new.csv: open failed: Permission denied", "name a file elsewhere"])
            chmod(bench.path("closed/out.csv"), 0o440)
            expectRefusal(
                try bench.asOrdinaryUser("predict", "run", "t.csv", "--output", "closed/out.csv"), .cannotCreate,
                ["closed/out.csv", "Permission denied"])
            // Nor is it replaced where its directory would allow that.
            chmod(bench.path("closed"), 0o755)
            expectRefusal(
                try bench.asOrdinaryUser("predict", "run", "t.csv", "--output", "closed/out.csv"), .cannotCreate,
                ["closed/out.csv", "Permission denied"])
            #expect(bench.bytes("closed/out.csv") == expected)
        }
    }

    @Test("a trace of a run that fails leaves the old trace")
    func trace() throws {
        try withModel { bench, _ in
            try bench.write("trace.json", "yesterday")
            let outcome = try bench.dtrain("train", "c.yaml", "--run", "run", "--trace", "trace.json")
            #expect(outcome.status == 73 && bench.text("trace.json") == "yesterday", "\(outcome)")
            symlink("trace.json", bench.path("link.json"))
            expectSuccess(try bench.dtrain("train", "c.yaml", "--run", "run2", "--trace", "link.json"))
            #expect(
                bench.text("trace.json").hasPrefix("{\"displayTimeUnit\"")
                    && status(bench, "link.json").st_mode & S_IFMT == S_IFLNK)
        }
    }
}
