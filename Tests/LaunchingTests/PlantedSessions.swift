import Foundation
import Testing

/// A directory like /dev/shm with what a stranger, or chance, may have put where sessions lie, and what must become of it.
final class PlantedSessions {
    let base: String
    private let victim: String
    /// Names that must still be there.
    private var kept: [String] = []
    /// Names of dead sessions, which must be gone.
    private var dead: [String] = []
    /// Holds the lock of a live session.
    private var lock: Int32 = -1
    private let user = geteuid()

    init() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/planted-" + UUID().uuidString
        base = folder + "/shm"
        victim = folder + "/victim"
        for name in [base, victim + "/sub"] {
            try FileManager.default.createDirectory(atPath: name, withIntermediateDirectories: true)
        }
        for name in ["lock", "thesis", "sub/deep"] { try write("precious", victim + "/" + name) }
        chmod(victim, 0o700)

        // Links in the places of a session and of a draft, as a link and behind a slash.
        for name in [
            "dtrain-\(user)-\(Int32.max)-abcdef", "dtrain-\(user)-\(Int32.max)", ".dtrain-\(user)-\(Int32.max)-abcdef",
            ".dtrain-\(user)-99999999-x"
        ] {
            symlink(victim, base + "/" + name)
            kept.append(name)
        }
        // Directories that aren't what a session's is.
        try plant("dtrain-\(user)-\(Int32.max)-open00", mode: 0o755)
        try plant("dtrain-\(user)-\(Int32.max)-nolock", hasLock: false)
        try plant("dtrain-\(user)-\(Int32.max)-ab cde")
        try plant("dtrain-\(user)-\(Int32.max)-abcdef\n")
        try plant("dtrain-\(user)-12x-abcdef")
        try plant("dtrain-\(user)-thesis")
        try plant("dtrain-\(user &+ 1)-\(Int32.max)-abcdef")
        try plant(".dtrain-\(user)-\(getpid())-living")
        try plant("dtrain-\(user)-\(Int32.max)-fifo00", hasLock: false)
        mkfifo("\(base)/\(kept.last ?? "")/lock", 0o600)
        try plant("dtrain-\(user)-\(Int32.max)-linked", hasLock: false)
        symlink(victim + "/lock", "\(base)/\(kept.last ?? "")/lock")
        try write("no directory", base + "/dtrain-\(user)-\(Int32.max)-file00")
        kept.append("dtrain-\(user)-\(Int32.max)-file00")
        // Of somebody else, where we may see them at all.
        if user == 0 {
            try plant("dtrain-0-\(Int32.max)-foreig")
            chown("\(base)/\(kept.last ?? "")", 65534, 65534)
        }
        // A live session.
        try plant("dtrain-\(user)-\(Int32.max)-locked")
        lock = open("\(base)/\(kept.last ?? "")/lock", O_RDWR | O_CLOEXEC)
        flock(lock, LOCK_EX)
        // Dead ones, with links inside, of which the links go.
        for name in ["dtrain-\(user)-\(Int32.max)-dead00", "dtrain-\(user)-\(Int32.max - 1)"] {
            try plant(name)
            kept.removeLast()
            dead.append(name)
            try FileManager.default.createDirectory(atPath: "\(base)/\(name)/ompi/pid/0", withIntermediateDirectories: true)
            symlink(victim, "\(base)/\(name)/ompi/victim")
            symlink(victim + "/thesis", "\(base)/\(name)/ompi/pid/0/thesis")
            try write("", "\(base)/\(name)/-rf")
        }
        mkdir("\(base)/.dtrain-\(user)-\(Int32.max)-dead00", 0o700)
        try write("", "\(base)/.dtrain-\(user)-\(Int32.max)-dead00/lock")
        dead.append(".dtrain-\(user)-\(Int32.max)-dead00")
    }

    /// A directory with a file that must stay.
    private func plant(_ name: String, mode: mode_t = 0o700, hasLock: Bool = true) throws {
        try FileManager.default.createDirectory(atPath: "\(base)/\(name)", withIntermediateDirectories: true)
        try write("precious", "\(base)/\(name)/thesis")
        if hasLock { try write("", "\(base)/\(name)/lock") }
        chmod("\(base)/\(name)", mode)
        kept.append(name)
    }

    private func write(_ text: String, _ path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    /// Expects the strangers' things as they were, the dead sessions gone, and nothing new.
    func expectUntouched(sourceLocation: SourceLocation = #_sourceLocation) {
        let left = (try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []
        #expect(
            Set(left) == Set(kept), "gone: \(Set(kept).subtracting(left)), left: \(Set(left).subtracting(kept))",
            sourceLocation: sourceLocation)
        for path in ["lock", "thesis", "sub/deep"].map({ "\(victim)/\($0)" })
            + kept.filter({ !$0.hasSuffix("file00") && !$0.hasSuffix("-x") }).map({ "\(base)/\($0)/thesis" })
        {
            #expect(
                FileManager.default.contents(atPath: path) == Data("precious".utf8), "\(path)",
                sourceLocation: sourceLocation)
        }
    }

    func remove() {
        close(lock)
        try? FileManager.default.removeItem(atPath: URL(fileURLWithPath: base).deletingLastPathComponent().path)
    }
}
