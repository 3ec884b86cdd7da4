import Diagnostics
import Storage

/// Cuts a fraction off for validation.
enum Split {
    /// `fraction` of `count` samples, rounded, at least one and never all, drawn by a permutation that `seed` alone
    /// fixes; both parts in the order of the file.
    static func draw(
        count: Int, fraction: Double, seed: UInt64,
        name: String
    ) throws -> (train: [Int32], validation: [Int32]) {
        let size = try size(count: count, fraction: fraction, name: name)
        let order = RandomStream(seed: seed, purpose: .split).permutation(count: count, ordinal: 0)
        return (order[size...].sorted(), order[..<size].sorted())
    }

    /// The last `fraction` of `count` samples, for validation, and those before.
    static func end(count: Int, fraction: Double, name: String) throws -> (train: [Int32], validation: [Int32]) {
        let first = Int32(count - (try size(count: count, fraction: fraction, name: name)))
        return (Array(0..<first), Array(first..<Int32(count)))
    }

    /// How many of `count` samples are `fraction` of them: at least one and never all.
    static func size(count: Int, fraction: Double, name: String) throws -> Int {
        guard count >= 2 else {
            throw Failure(.badData, "\(name): \(count) sample can't be split; data.validation_fraction needs 2 or more")
        }
        return min(max(Int((fraction * Double(count)).rounded()), 1), count - 1)
    }
}
