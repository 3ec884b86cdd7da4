import Foundation

/// The processes of a job, wherever they have gone: mpirun and shells put theirs into groups of their own.
extension ChildProcess.Running {
    static let markVariable = "DTRAIN_TEST_CHILD"

    /// A live process of the job.
    package struct Member: Sendable {
        package let identifier: pid_t
        /// The program's name, at most 15 characters.
        package let name: String
        /// Its rank, where an Open MPI launcher made it one.
        package var rank: Int? { variable("OMPI_COMM_WORLD_RANK").flatMap { Int($0) } }

        /// A variable of the environment that it was started with.
        package func variable(_ name: String) -> String? {
            let key = Data("\(name)=".utf8)
            return FileManager.default.contents(atPath: "/proc/\(identifier)/environ")?.split(separator: 0)
                .first { $0.starts(with: key) }.map { String(decoding: $0.dropFirst(key.count), as: UTF8.self) }
        }

        package func send(_ signal: Int32) { kill(identifier, signal) }

        /// Whether the process has a handler of its own for `signal` (`SigCgt` of proc(5)).
        package func catches(_ signal: Int32) -> Bool { has(signal, in: "SigCgt:") }

        /// Whether the process blocks `signal`, so as to take it when it likes (`SigBlk` of proc(5)).
        package func blocks(_ signal: Int32) -> Bool { has(signal, in: "SigBlk:") }

        /// Whether `signal` waits to be taken by the process (`ShdPnd` of proc(5)).
        package func hasPending(_ signal: Int32) -> Bool { has(signal, in: "ShdPnd:") }

        /// Stops the process (SIGSTOP) and waits until none of its threads runs any more.
        package func stop() {
            send(SIGSTOP)
            for _ in 0..<10_000 {
                let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(identifier)/task")) ?? []
                let states = threads.compactMap {
                    try? String(
                        contentsOfFile: "/proc/\(identifier)/task/\($0)/status",
                        encoding: .utf8)
                }
                if states.allSatisfy({ $0.contains("\nState:\tT") }) { return }
                usleep(500)
            }
        }

        private func has(_ signal: Int32, in set: String) -> Bool {
            let status = (try? String(contentsOfFile: "/proc/\(identifier)/status", encoding: .utf8)) ?? ""
            return status.split(separator: "\n").filter { $0.hasPrefix(set) }
                .compactMap { UInt64($0.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16) }
                .contains { $0 >> UInt64(signal - 1) & 1 == 1 }
        }
    }

    /// The program itself.
    package var program: Member { Member(identifier: identifier, name: "") }

    /// All live processes that carry this child's mark. (A dead one that nobody has waited for yet has no environment.)
    package func processes() -> [Member] {
        let wanted = Data("\(Self.markVariable)=\(mark)\0".utf8)
        return ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { entry in
            guard let identifier = pid_t(entry),
                let environment = FileManager.default.contents(atPath: "/proc/\(entry)/environ"),
                environment.range(of: wanted) != nil,
                let name = try? String(contentsOfFile: "/proc/\(entry)/comm", encoding: .utf8)
            else { return nil }
            return Member(identifier: identifier, name: name.trimmingCharacters(in: .whitespacesAndNewlines))
        }.sorted { $0.identifier < $1.identifier }
    }

    /// The job's ranks, lowest first: processes that a launcher numbered.
    package func ranks() -> [Member] {
        processes().filter { $0.rank != nil }.sorted { ($0.rank ?? 0, $0.identifier) < ($1.rank ?? 0, $1.identifier) }
    }

    /// The job's launcher.
    package func mpirun() -> Member? { processes().first { $0.name == "mpirun" || $0.name == "orterun" } }

    /// Kills whatever is left of the job.
    package func killAll() {
        for process in processes() { process.send(SIGKILL) }
    }

    /// Waits until no process of the job is left, and returns those that stay, which are then killed.
    package func awaitProcesses(seconds: Double) -> [Member] {
        let end = Date().addingTimeInterval(seconds)
        var left = processes()
        while !left.isEmpty, Date() < end {
            usleep(10_000)
            left = processes()
        }
        killAll()
        return left
    }
}
