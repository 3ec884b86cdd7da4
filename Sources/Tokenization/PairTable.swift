/// A map from 64-bit keys to numbers below 2³¹, filled once. Open addressing, with a multiplier that is drawn anew in every process: a
/// file can't be made so that its keys fall into one place. What is found doesn't depend on it.
struct PairTable {
    private var keys: [UInt64]
    private var values: [Int32]
    private let multiplier: UInt64
    private let shift: UInt64
    private(set) var count = 0

    /// No key that is used: a pair of two tokens that no vocabulary has.
    private static let empty = UInt64.max

    /// - Parameter capacity: the most keys.
    init(capacity: Int) {
        var bits: UInt64 = 4
        while 1 << bits < 2 * capacity { bits += 1 }
        keys = [UInt64](repeating: Self.empty, count: 1 << bits)
        values = [Int32](repeating: -1, count: 1 << bits)
        multiplier = UInt64.random(in: 0...UInt64.max) | 1
        shift = 64 - bits
    }

    static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private func place(of key: UInt64) -> Int {
        keys.withUnsafeBufferPointer { keys in
            let mixed = (key ^ key >> 29) &* multiplier
            var place = Int(((mixed ^ mixed >> 31) &* 0x9E37_79B9_7F4A_7C15) >> shift)
            while keys[place] != key, keys[place] != Self.empty { place = (place &+ 1) & (keys.count &- 1) }
            return place
        }
    }

    /// The value of a key; nil where there is none.
    @inline(__always)
    subscript(key: UInt64) -> Int32? {
        let place = place(of: key)
        return keys[place] == key ? values[place] : nil
    }

    /// Gives a key a value in place of the one that it had, which is returned.
    @discardableResult
    mutating func set(_ key: UInt64, _ value: Int32) -> Int32? {
        precondition(key != Self.empty && 2 * (count + 1) <= keys.count + 1, "\(count) keys of \(keys.count / 2)")
        let place = place(of: key)
        defer { values[place] = value }
        if keys[place] == key { return values[place] }
        keys[place] = key
        count += 1
        return nil
    }
}
