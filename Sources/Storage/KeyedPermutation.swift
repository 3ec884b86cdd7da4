/// A permutation of 0 ..< `count` that is computed place by place: a function of its key alone, without a list in memory.
///
/// A Feistel network (Luby and Rackoff, 1988) of six rounds over the least power of four that holds all places; what leads out of them
/// goes through it again (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002), less than four times on average.
package struct KeyedPermutation: Sendable {
    package let count: Int
    private let stream: RandomStream
    private let ordinal: UInt64
    /// The bits of each half of a place.
    private let halfBits: UInt32
    private static let rounds: UInt32 = 6

    /// - Parameter ordinal: tells permutations of one stream apart.
    package init(count: Int, _ stream: RandomStream, ordinal: UInt64) {
        precondition(count > 0 && count <= 1 << 32, "a permutation of \(count)")
        self.count = count
        self.stream = stream
        self.ordinal = ordinal
        var bits: UInt32 = 1
        while 1 << (2 * bits) < count { bits += 1 }
        halfBits = bits
    }

    /// What stands at a place.
    package subscript(place: Int) -> Int {
        precondition(place >= 0 && place < count, "place \(place) of \(count)")
        let mask: UInt32 = 1 << halfBits - 1
        var number = place
        repeat {
            var left = UInt32(truncatingIfNeeded: number >> Int(halfBits)) & mask
            var right = UInt32(truncatingIfNeeded: number) & mask
            for round in 0..<Self.rounds {
                let change = stream.block(round << 16 | right, ordinal: ordinal).x & mask
                (left, right) = (right, left ^ change)
            }
            number = Int(left) << Int(halfBits) | Int(right)
        } while number >= count
        return number
    }
}
