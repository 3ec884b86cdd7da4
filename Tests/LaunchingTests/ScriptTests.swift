import Foundation
import TestSupport
import Testing

/// The scripts of `launch/` with values from the environment and names of files that look like options, patterns or code.
/// They run in a copy of the repository's folder, with programs of the test's making.
@Suite("Scripts")
struct ScriptTests {
    /// A folder with a copy of the scripts in `copy`, a user's folder `here` to stand in, and programs in `bin`.
    private final class Copy {
        let folder: String
        private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("launch").path

        init() throws {
            folder = try makeTemporaryFolder()
            for name in ["copy", "here", "bin"] { try directory(name) }
            try FileManager.default.copyItem(atPath: Self.scripts, toPath: folder + "/copy/launch")
            try write("copy/kept", "precious")
            try write("here/kept", "precious")
            for name in ["curl", "apt-get", "python3"] { try program(name, "exit 1") }
            // "good" has the sum of every file that is asked for.
            try program(
                "sha256sum",
                """
                [[ $(cat) == good ]] || { echo "0  -"; exit; }
                echo "10e8a802908b34f86e5da8ce962f3c806694bc98450a18f61851af59f324bede  -"
                """)
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        func directory(_ name: String) throws {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
        }

        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        }

        func program(_ name: String, _ script: String) throws {
            try write("bin/\(name)", "#!/bin/bash\n\(script)\n")
            chmod("\(folder)/bin/\(name)", 0o755)
        }

        func text(_ name: String) -> String {
            String(decoding: FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data(), as: UTF8.self)
        }

        func names(_ name: String) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(name)")) ?? []).sorted()
        }

        /// Runs a script, as the user calls it from `here`.
        func run(
            _ script: String, _ arguments: [String], _ environment: [String: String] = [:],
            in directory: String = "here"
        ) throws -> ChildProcess.Result {
            let all = ["PATH": "\(folder)/bin:/usr/bin:/bin"].merging(environment) { $1 }
            return try ChildProcess(
                "/bin/bash", ["../copy/launch/\(script)"] + arguments, directory: "\(folder)/\(directory)",
                environment: all
            ).run()
        }
    }

    private static let names = ["-delete", "-exec rm -rf {} ;", "--", "a b", "*", "$(touch kept2)", "`rm kept`;", "new\nline"]

    @Test("DTRAIN_DATA_SOURCE is a folder, whatever it is called", arguments: names)
    func dataSource(name: String) throws {
        let copy = try Copy()
        // First it isn't there, and nothing is looked for elsewhere in its stead.
        let missing = try copy.run("fetch-data.sh", ["wine"], ["DTRAIN_DATA_SOURCE": name])
        #expect(missing.status == 66 && missing.errors.contains("DTRAIN_DATA_SOURCE"), "\(missing)")
        try copy.directory("here/\(name)/-deep")
        try copy.write("here/\(name)/-deep/wine_data.csv", "good")
        let result = try copy.run("fetch-data.sh", ["wine"], ["DTRAIN_DATA_SOURCE": name])
        #expect(result.status == 0, "\(result)")
        #expect(copy.text("copy/data/wine/wine_data.csv") == "good")
        #expect(copy.names("copy") == ["data", "kept", "launch"] && copy.names("here") == [name, "kept"].sorted())
        #expect(copy.text("copy/kept") == "precious" && copy.text("here/kept") == "precious")
    }

    @Test(
        "the folder that data are brought to may have any name, and a link in a file's place isn't followed",
        arguments: names)
    func dataTarget(name: String) throws {
        let copy = try Copy()
        try copy.directory("source")
        try copy.write("source/wine_data.csv", "good")
        try copy.directory("here/\(name)")
        symlink(copy.folder + "/here/kept", "\(copy.folder)/here/\(name)/wine_data.csv")
        let result = try copy.run("fetch-data.sh", ["wine", name], ["DTRAIN_DATA_SOURCE": copy.folder + "/source"])
        #expect(result.status == 0 && result.output.hasPrefix(name + ": "), "\(result)")
        #expect(copy.text("here/\(name)/wine_data.csv") == "good" && copy.text("here/kept") == "precious")
        #expect(copy.names("here/\(name)") == ["wine_data.csv"])
    }

    @Test(
        "variables that change what shells and gzip do don't lead elsewhere",
        arguments: [["CDPATH": "/"], ["CDPATH": "ELSEWHERE"], ["GZIP": "-d"], ["TMPDIR": "-x"], ["TMPDIR": "a b"]])
    func environment(variables: [String: String]) throws {
        let copy = try Copy()
        try copy.directory("elsewhere/launch")
        for name in ["-x", "a b"] { try copy.directory("copy/\(name)") }
        try copy.directory("source")
        try copy.write("source/wine_data.csv", "good")
        let environment = variables.mapValues { $0.replacingOccurrences(of: "ELSEWHERE", with: copy.folder + "/elsewhere") }
        // Called from the repository by a name that CDPATH would be tried for.
        let child = ChildProcess(
            "/bin/bash", ["launch/fetch-data.sh", "wine"], directory: copy.folder + "/copy",
            environment: environment.merging([
                "PATH": "\(copy.folder)/bin:/usr/bin:/bin",
                "DTRAIN_DATA_SOURCE": "../source"
            ]) { $1 })
        let result = try child.run()
        #expect(result.status == 0 && copy.text("copy/data/wine/wine_data.csv") == "good", "\(result)")
        #expect(copy.names("elsewhere") == ["launch"] && copy.names("copy/-x").isEmpty && copy.names("copy/a b").isEmpty)
    }

    /// Programs that `install.sh` calls and that take long.
    private func installable() throws -> Copy {
        let copy = try Copy()
        for name in ["mpirun", "pkg-config", "git"] { try copy.program(name, "exit 0") }
        try copy.program(
            "swift",
            """
            if [[ $1 == build ]]; then mkdir -p .build/static/release; echo program > .build/static/release/dtrain; fi
            echo "Swift version 6.2"
            """)
        return copy
    }

    @Test("install.sh installs into a folder of any name, onto a link's place and not through it", arguments: names)
    func prefix(name: String) throws {
        let copy = try installable()
        try copy.directory("here/p/\(name)/bin")
        symlink(copy.folder + "/here/kept", "\(copy.folder)/here/p/\(name)/bin/dtrain")
        let result = try copy.run("install.sh", ["p/" + name])
        #expect(result.status == 0, "\(result)")
        #expect(copy.text("here/p/\(name)/bin/dtrain") == "program\n" && copy.text("here/kept") == "precious")
        #expect(copy.names("here/p/\(name)/bin") == ["dtrain"] && copy.names("here/p") == [name])
    }

    @Test("install.sh takes nothing for a folder that is none: an empty name, an option", arguments: ["", "-p", "--help"])
    func noPrefix(name: String) throws {
        let copy = try installable()
        let result = try copy.run("install.sh", [name])
        #expect(result.status == 64 && result.errors.hasPrefix("install.sh: usage: "), "\(result)")
    }

    @Test("without its own build local.sh takes the program of the archive that it came in")
    func bundled() throws {
        let copy = try installable()
        try copy.program("mpirun", "echo \"$(command -v dtrain)\"")
        try copy.directory("copy/bin")
        try copy.write("copy/bin/dtrain", "")
        chmod(copy.folder + "/copy/bin/dtrain", 0o755)
        let result = try copy.run("local.sh", ["-np", "1", "dtrain"])
        #expect(result.status == 0 && result.output == "\(copy.folder)/copy/bin/dtrain\n", "\(result)")
    }

    @Test(
        "the scripts refuse options that they don't know",
        arguments: [
            ("fetch-data.sh", ["-delete"]), ("fetch-data.sh", []), ("fetch-data.sh", ["*"]), ("setup.sh", ["-x"]),
            ("setup.sh", ["--tests", "more"]), ("install.sh", ["p", "q"]), ("torture.sh", ["--kills", "x[$(touch kept2)]"]),
            ("torture.sh", ["--program", "/nowhere"]), ("mpich.sh", ["--kills", "x[$(touch kept2)]"]), ("mpich.sh", ["more"]),
            ("fuzz.sh", ["--seconds", "0"]), ("fuzz.sh", ["--runs", "x[$(touch kept2)]"]), ("fuzz.sh", ["--build"]),
            ("fuzz.sh", ["csv", "--unknown"]),
            ("lab.sh", []), ("lab.sh", ["--hosts", "2"]), ("lab.sh", ["--hosts", "0", "true"]), ("lab.sh", ["true"]),
            ("lab.sh", ["--hosts", "x[$(touch kept2)]", "true"]), ("lab.sh", ["--hosts", "2", "--rate", "fast", "true"]),
            ("lab.sh", ["--hosts", "2", "-delete"]), ("local.sh", ["--hostfile"]), ("slurm-lab.sh", []), ("slurm.sbatch", []),
            ("slurm-lab.sh", ["--nodes", "x[$(touch kept2)]", "true"]), ("slurm-trial.sh", ["nothing"]),
            ("install.sh", ["--bundle", "a", "b"]), ("install.sh", ["--bundle", "-x"]), ("install.sh", ["--bundle", "."]),
            ("dockerfile.sh", ["--hosts", "x[$(touch kept2)]"]), ("dockerfile.sh", ["-x"]), ("dockerfile.sh", ["--image"]),
            ("portability.sh", ["--bundle"])
        ])
    func usage(script: String, arguments: [String]) throws {
        let copy = try installable()
        let result = try copy.run(script, arguments)
        #expect(result.status == 64 && result.errors.hasPrefix("\(script): "), "\(result)")
        #expect(copy.names("here") == ["kept"])
    }
}
