import Diagnostics
import Foundation
import Launching
import TestSupport
import Testing

/// One after the other: a launcher that ends takes what signals wait for the process.
@Suite("Starting ranks from inside", .serialized)
struct RankLauncherTests {
    private func launcher(_ mpi: FakeMPI, ranks: Int = 2) -> RankLauncher {
        RankLauncher(
            ranks: .count(ranks), arguments: ["train", "a b"], program: "/bin/true",
            environment: ["PATH": mpi.path])
    }

    @Test("the job's exit code is returned, its session directory removed", arguments: [0, 65, 75])
    func exitCode(code: Int32) throws {
        let mpi = try FakeMPI(
            """
            printf '%s\\n' "$@" > "$here/arguments"
            printf %s "$DTRAIN_SESSION" > "$here/session"
            test -d "$DTRAIN_SESSION" || exit 99
            exit \(code)
            """)
        defer { mpi.remove() }
        #expect(try launcher(mpi).run() == code)
        #expect(mpi.text("arguments").hasPrefix("-np\n2\n"))
        #expect(mpi.text("arguments").hasSuffix("/bin/true\ntrain\na b\n"))
        #expect(!mpi.text("session").isEmpty)
        #expect(!FileManager.default.fileExists(atPath: mpi.text("session")))
    }

    @Test("an mpirun that is killed by signal n gives 128 + n")
    func killed() throws {
        let mpi = try FakeMPI("kill -KILL $$")
        defer { mpi.remove() }
        #expect(try launcher(mpi).run() == 137)
    }

    @Test("ranks that survive mpirun are gone when the launcher returns")
    func survivors() throws {
        let mpi = try FakeMPI(
            """
            sleep 60 & echo $! > "$here/survivor"
            kill -KILL $$
            """)
        defer { mpi.remove() }
        #expect(try launcher(mpi).run() == 137)
        let survivor = try #require(pid_t(mpi.text("survivor").trimmingCharacters(in: .whitespacesAndNewlines)))
        let environment = FileManager.default.contents(atPath: "/proc/\(survivor)/environ") ?? Data()
        #expect(environment.isEmpty, "process \(survivor) is still alive")
    }

    @Test("without mpirun the message says what to install")
    func noMPI() {
        let launcher = RankLauncher(ranks: .count(2), arguments: [], environment: ["PATH": "/nowhere"])
        let failure = #expect(throws: Failure.self) { try launcher.run() }
        #expect(failure?.code == .missingInput)
        #expect(failure?.message.contains("apt-get install openmpi-bin") == true)
    }

    @Test("a launcher inside a launcher is refused")
    func nested() {
        let launcher = RankLauncher(ranks: .count(2), arguments: [], environment: ["OMPI_COMM_WORLD_SIZE": "2"])
        let failure = #expect(throws: Failure.self) { try launcher.run() }
        #expect(failure?.code == .usage)
    }

    @Test(
        "SIGTERM, SIGINT, SIGHUP and SIGUSR1 reach the ranks as SIGUSR1",
        arguments: [SIGTERM, SIGINT, SIGHUP, SIGUSR1])
    func stopping(signal: Int32) throws {
        let rank = try FakeMPI(
            """
            trap 'exit 75' USR1
            trap 'exit 1' TERM INT HUP
            touch "$here/started-$OMPI_COMM_WORLD_RANK"
            while :; do sleep 0.02; done
            """, name: "rank")
        defer { rank.remove() }
        let thread = LauncherThread(RankLauncher(ranks: .count(2), arguments: [], program: rank.folder + "/rank"))
        #expect(rank.waitFor("started-0", "started-1"))
        thread.send(signal)
        #expect(thread.exitCode() == 75)
    }

    @Test("a second SIGINT ends the job at once with 130")
    func secondInterrupt() throws {
        let rank = try FakeMPI(
            """
            trap 'touch "$here/asked"' USR1
            touch "$here/started-$OMPI_COMM_WORLD_RANK"
            while :; do sleep 0.02; done
            """, name: "rank")
        defer { rank.remove() }
        let thread = LauncherThread(RankLauncher(ranks: .count(2), arguments: [], program: rank.folder + "/rank"))
        // Every rank has its trap: without it the first request would end it.
        #expect(rank.waitFor("started-0", "started-1"))
        thread.send(SIGINT)
        #expect(rank.waitFor("asked"))
        thread.send(SIGINT)
        #expect(thread.exitCode() == 130)
    }
}

/// A launcher that runs on a thread of its own, to which signals can be sent.
private final class LauncherThread: @unchecked Sendable {
    private let lock = NSLock()
    private var target: pthread_t?
    private var code: Int32?
    private let done = DispatchSemaphore(value: 0)

    init(_ launcher: RankLauncher) {
        _ = signalsAreHeard
        Thread.detachNewThread { [self] in
            lock.withLock { target = pthread_self() }
            let code = try? launcher.run()
            lock.withLock { self.code = code }
            done.signal()
        }
    }

    func send(_ signal: Int32) {
        if let target = lock.withLock({ target }) { pthread_kill(target, signal) }
    }

    /// The exit code; nil when there is none after a minute.
    func exitCode() -> Int32? {
        done.wait(timeout: .now() + 60) == .success ? lock.withLock { code } : nil
    }
}
