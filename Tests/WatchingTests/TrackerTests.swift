import Foundation
import Testing

import Watching

/// What is made of one look after the other at a rank.
@Suite("Looks at a rank")
struct TrackerTests {
    /// A rank of which the kernel always says the same.
    private func look(
        _ tracker: inout RankTracker, moves: Int64, _ condition: ProcessLook.Condition = .running, ticks: Int64 = 0,
        bytes: Int64 = 0
    ) {
        var look = PulseLook()
        look.moves = moves
        look.word = Int64(Activity.forward.rawValue)
        tracker.update(look, seconds: 0.5) { ProcessLook(condition, ticks: ticks, bytes: bytes) }
    }

    @Test("a rank that moves is neither still nor idle, and its process isn't looked at")
    func moving() {
        var tracker = RankTracker(process: 1)
        for moves in 1...5 {
            var look = PulseLook()
            look.moves = Int64(moves)
            tracker.update(look, seconds: 0.5) {
                Issue.record("the process was looked at")
                return ProcessLook(.gone)
            }
        }
        #expect(tracker.sign.stillSeconds == 0 && tracker.sign.idleSeconds == 0)
    }

    @Test("computing, reading and being ready to run count as work; sleeping, stopping and the disk don't")
    func work() {
        let perLook = Int64(sysconf(Int32(_SC_CLK_TCK))) / 2
        for (condition, ticks, bytes, works) in [
            (ProcessLook.Condition.running, 0, 0, true), (.asleep, perLook, 0, true), (.uninterruptible, 0, 4096, true),
            (.asleep, 0, 0, false), (.uninterruptible, 0, 0, false), (.stopped, 0, 0, false), (.gone, 0, 0, false),
            (.asleep, perLook / 50, 0, false)
        ] as [(ProcessLook.Condition, Int64, Int64, Bool)] {
            var tracker = RankTracker(process: 1)
            look(&tracker, moves: 1)
            for index in 1...20 {
                look(&tracker, moves: 1, condition, ticks: Int64(index) * ticks, bytes: Int64(index) * bytes)
            }
            #expect(tracker.sign.stillSeconds == 10)
            // The first look has nothing to compare with.
            #expect((tracker.sign.idleSeconds < 1) == works, "\(condition) \(ticks) \(bytes): \(tracker.sign.idleSeconds)")
            #expect(tracker.sign.condition == condition)
            look(&tracker, moves: 2, condition)
            #expect(tracker.sign.stillSeconds == 0 && tracker.sign.idleSeconds == 0)
        }
    }

    @Test("a pulse shows what its rank does, through the file that another process maps")
    func board() throws {
        let board = try PulseBoard(ranks: 3)
        let other = try PulseBoard(ranks: 3, of: getpid(), descriptor: board.descriptor)
        let pulse = board.pulse(1)
        var tracker = RankTracker(process: 1)
        func sign() -> RankSign {
            tracker.update(other.look(1), seconds: 1) { ProcessLook(.running) }
            return tracker.sign
        }
        #expect(other.look(1).process == getpid() && other.look(0).process == 0)
        #expect(sign().activity == .setUp)
        pulse.begin(step: 512)
        pulse.turn(to: .backward)
        #expect(sign().activity == .backward && sign().step == 512 && sign().wait == nil)
        for rank in [0, 5, 100_000] {
            pulse.beginWait(.gradients, for: rank)
            #expect(sign().wait == .gradients && sign().awaited == rank && sign().activity == .backward)
        }
        pulse.endWait()
        #expect(sign().wait == nil)
        pulse.waiting(.meeting) { #expect(sign().wait == .meeting && sign().awaited == nil && sign().meetings == 1) }
        pulse.ran(samples: 32)
        #expect(sign().samples == 32)
        #expect(sign().stillSeconds > 0)
        pulse.beat()
        #expect(sign().stillSeconds == 0)
    }

    @Test("a file that isn't a board is refused")
    func noBoard() throws {
        let board = try PulseBoard(ranks: 1)
        #expect(throws: (any Error).self) { try PulseBoard(ranks: 33, of: getpid(), descriptor: board.descriptor) }
        #expect(throws: (any Error).self) { try PulseBoard(ranks: 1, of: getpid(), descriptor: 9999) }
        #expect(throws: (any Error).self) { try PulseBoard(ranks: 1, owning: open("/dev/null", O_RDWR)) }
    }

    @Test("words that no pulse writes are passed over", arguments: [-1, 0xff, 0x2_00_00ff, 0x7_0000, 0x700] as [Int64])
    func strangeWords(word: Int64) {
        #expect(PulseWord(word) == nil || word == 0x7_0000)
    }

    @Test("a line of /proc/PID/stat is read from behind the program's name, whatever that is")
    func statLine() {
        let fields = (0..<50).map { $0 == 10 ? "123" : $0 == 11 ? "77" : "0" }.joined(separator: " ")
        for (letter, condition) in [
            ("R", ProcessLook.Condition.running), ("S", .asleep), ("D", .uninterruptible), ("T", .stopped), ("t", .traced),
            ("Z", .gone), ("I", .asleep)
        ] {
            #expect(ProcessLook(stat: "12 (a) R b (x) \(letter) \(fields)") == ProcessLook(condition, ticks: 200))
        }
        #expect(ProcessLook(stat: "12 (a") == nil)
        #expect(ProcessLook(stat: "12 (a) S 1 2") == nil)
        #expect(ProcessLook(of: getpid()).condition != .gone)
        #expect(ProcessLook(of: pid_t.max).condition == .gone)
    }

    @Test("what a network carries is all interfaces but the loopback")
    func network() {
        let text = """
            Inter-|   Receive                                                |  Transmit
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
                lo: 9000      10    0    0    0     0          0         0  9000      10    0    0    0     0       0          0
              eth0: 500      10    0    0    0     0          0         0  70      10    0    0    0     0       0          0
              ib0: 1 10 0 0 0 0 0 0 2 10 0 0 0 0 0 0
            """
        #expect(HostLook.networkBytes(text) == 573)
        #expect(HostLook.networkBytes("") == 0)
    }
}
