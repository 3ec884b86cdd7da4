import Foundation

/// What the kernel says of a process.
package struct ProcessLook: Equatable, Sendable {
    package var condition: Condition
    /// Where in the kernel its first thread waits (`wchan` of proc(5)); empty where it doesn't or that isn't shown.
    package var place = ""
    /// Clock ticks that all of its threads have computed for.
    package var ticks: Int64 = 0
    /// Bytes that it has read and written, wherever from and to; what isn't shown counts as none.
    package var bytes: Int64 = 0

    /// What its first thread, the one that trains, does.
    package enum Condition: UInt8, CaseIterable, Sendable {
        case running, asleep, uninterruptible, stopped, traced, gone

        init(letter: Character) {
            switch letter {
            case "R": self = .running
            case "D": self = .uninterruptible
            case "T": self = .stopped
            case "t": self = .traced
            case "Z", "X", "x": self = .gone
            default: self = .asleep
            }
        }
    }

    package init(_ condition: Condition, place: String = "", ticks: Int64 = 0, bytes: Int64 = 0) {
        self.condition = condition
        self.place = place
        self.ticks = ticks
        self.bytes = bytes
    }

    /// Of a process of this host.
    package init(of process: pid_t) {
        guard let stat = Self.text("/proc/\(process)/stat"), let look = ProcessLook(stat: stat) else {
            self.init(.gone)
            return
        }
        self = look
        let io = Self.text("/proc/\(process)/io") ?? ""
        bytes = io.split(separator: "\n").reduce(0) { sum, line in
            ["rchar: ", "wchar: ", "read_bytes: ", "write_bytes: "].first { line.hasPrefix($0) }
                .flatMap { Int64(line.dropFirst($0.count)) }.map { sum &+ $0 } ?? sum
        }
        if condition == .uninterruptible || condition == .asleep {
            let name = Self.text("/proc/\(process)/wchan") ?? ""
            place = String(name.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }.prefix(Self.placeLength))
            if place == "0" { place = "" }
        }
    }

    /// The most characters of a place.
    package static let placeLength = 32

    /// From a line of `/proc/PID/stat` (proc(5)): the name in it may hold anything, so it is read from behind that.
    package init?(stat: String) {
        guard let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let letter = fields[0].first, let user = Int64(fields[11]), let system = Int64(fields[12])
        else { return nil }
        self.init(Condition(letter: letter), ticks: user &+ system)
    }

    /// The parent of a process, where it has one of this name.
    static func parent(of process: pid_t, named names: [String]) -> pid_t? {
        guard let stat = text("/proc/\(process)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 1, let parent = pid_t(fields[1]), parent > 1,
            let name = text("/proc/\(parent)/comm")?.split(separator: "\n").first, names.contains(String(name))
        else { return nil }
        return parent
    }

    private static func text(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 2048)
        let count = read(file, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
}
