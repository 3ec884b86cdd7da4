/// What a rank is doing, as it shows those who watch it.
package enum Activity: UInt8, CaseIterable, Sendable {
    case setUp, data, inputs, forward, backward, combining, validation, checkpoint, log, end

    /// As messages call it.
    package var name: String {
        switch self {
        case .setUp: "set-up"
        case .data: "reading data"
        case .inputs: "gathering inputs"
        case .forward: "forward"
        case .backward: "backward"
        case .combining: "combining gradients"
        case .validation: "validation"
        case .checkpoint: "checkpoint"
        case .log: "writing the log"
        case .end: "the end of the run"
        }
    }

    /// Whether it may wait long for a disk, a file server or whoever reads the output.
    package var awaitsFiles: Bool {
        switch self {
        case .setUp, .data, .checkpoint, .log, .end: true
        case .inputs, .forward, .backward, .combining, .validation: false
        }
    }

    /// Whether it is a rank's own work in a training step, which the ranks share out.
    package var isStepWork: Bool {
        switch self {
        case .inputs, .forward, .backward, .combining: true
        case .setUp, .data, .validation, .checkpoint, .log, .end: false
        }
    }
}

/// What a rank waits for.
package enum Wait: UInt8, CaseIterable, Sendable {
    /// Another rank of the host: its gradients, record, weights or buffers.
    case gradients = 1, record, weights, buffers
    /// Messages of ranks that exchange with it.
    case messages
    /// All ranks, in a call of MPI that all make.
    case meeting

    /// As messages call it, of the ranks that it is of.
    func described(of rank: Int?) -> String {
        let owner = rank.map { "of rank \($0)" } ?? "of other ranks"
        switch self {
        case .gradients: return "gradients \(owner)"
        case .record: return "the record \(owner)"
        case .weights: return "new weights \(owner)"
        case .buffers: return "running averages \(owner)"
        case .messages: return "messages \(owner)"
        case .meeting: return "all ranks in a call of MPI"
        }
    }
}

/// A rank's activity and what it waits for, in one number that is written and read as a whole.
package struct PulseWord {
    package let activity: Activity
    package let wait: Wait?
    /// The one rank that it waits for; nil where it waits for several or none.
    package let awaited: Int?

    /// What another process wrote; nil where that is none of ours.
    package init?(_ word: Int64) {
        guard let activity = Activity(rawValue: UInt8(truncatingIfNeeded: word)), word >= 0 else { return nil }
        self.activity = activity
        let kind = UInt8(truncatingIfNeeded: word >> 8)
        guard kind != 0 else {
            (wait, awaited) = (nil, nil)
            return
        }
        guard let wait = Wait(rawValue: kind) else { return nil }
        self.wait = wait
        awaited = word >> 16 > 0 ? Int(word >> 16) - 1 : nil
    }

    /// The word of these; `awaited` is a rank, or −1.
    static func encoded(_ activity: Activity, _ wait: Wait, awaited: Int) -> Int64 {
        Int64(activity.rawValue) | Int64(wait.rawValue) << 8 | Int64(awaited + 1) << 16
    }
}
