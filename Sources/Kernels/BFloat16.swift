import CProcessor
import Storage

/// Numbers of 16 bits with the range of a Float (sign, 8 bits of exponent, 7 of fraction): what travels between hosts where
/// `training.exchange` says so. Rounding is to nearest, ties to even; NaN stays NaN.
package enum BFloat16 {
    /// Rounds `numbers` to 16 bits each, written to the beginning of their own memory. Returns where they lie.
    @discardableResult
    package static func compress(_ numbers: MutableMatrixView) -> UnsafeRawBufferPointer {
        let base = UnsafeMutableRawPointer(numbers.base)
        let count = numbers.count
        // Whatever is written lies where everything has been read.
        for first in stride(from: 0, to: count & ~15, by: 16) { dtrain_bfloat16_compress(base + first * 4, base + first * 2) }
        withTail(count) { first, lanes in
            withRoom { wide, narrow in
                wide.copyMemory(from: base + first * 4, byteCount: lanes * 4)
                dtrain_bfloat16_compress(wide, narrow)
                (base + first * 2).copyMemory(from: narrow, byteCount: lanes * 2)
            }
        }
        return UnsafeRawBufferPointer(start: base, count: count * 2)
    }

    /// The second half of the memory of `numbers`, where their 16 bits are received that `expand` makes Floats of.
    package static func room(in numbers: MutableMatrixView) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(
            start: UnsafeMutableRawPointer(numbers.base) + numbers.count * 2, count: numbers.count * 2)
    }

    /// Makes Floats of what lies in `room(in: numbers)`.
    package static func expand(_ numbers: MutableMatrixView) {
        let base = UnsafeMutableRawPointer(numbers.base)
        let count = numbers.count
        let halves = base + count * 2
        // 4·(i + 16) ≤ 2·count + 2·(i + 16) while i + 16 ≤ count: what isn't read yet is never written over.
        for first in stride(from: 0, to: count & ~15, by: 16) { dtrain_bfloat16_expand(halves + first * 2, base + first * 4) }
        withTail(count) { first, lanes in
            withRoom { wide, narrow in
                narrow.copyMemory(from: halves + first * 2, byteCount: lanes * 2)
                dtrain_bfloat16_expand(narrow, wide)
                (base + first * 4).copyMemory(from: wide, byteCount: lanes * 4)
            }
        }
    }

    /// Rounds what `weights` have changed since they were `old`, so that everybody who adds the rounded change to the old
    /// weights has the same new ones: change = bfloat16(weights − old), weights = old + change.
    package static func roundChange(from old: MatrixView, of weights: MutableMatrixView, into change: UnsafeMutableRawPointer) {
        let count = weights.count
        for first in stride(from: 0, to: count & ~15, by: 16) {
            dtrain_bfloat16_round_change(old.base + first, weights.base + first, change + first * 2)
        }
        withTail(count) { first, lanes in
            for index in first..<first + lanes {
                withRoom { wide, narrow in
                    wide.storeBytes(of: weights.base[index] - old.base[index], as: Float.self)
                    dtrain_bfloat16_compress(wide, narrow)
                    (change + index * 2).copyMemory(from: narrow, byteCount: 2)
                    dtrain_bfloat16_expand(narrow, wide)
                    weights.base[index] = old.base[index] + wide.load(as: Float.self)
                }
            }
        }
    }

    /// weights = old + change.
    package static func add(_ change: UnsafeRawPointer, to old: MatrixView, into weights: MutableMatrixView) {
        let count = weights.count
        for first in stride(from: 0, to: count & ~15, by: 16) {
            dtrain_bfloat16_add(change + first * 2, old.base + first, weights.base + first)
        }
        withTail(count) { first, lanes in
            for index in first..<first + lanes {
                withRoom { wide, narrow in
                    narrow.copyMemory(from: change + index * 2, byteCount: 2)
                    dtrain_bfloat16_expand(narrow, wide)
                    weights.base[index] = old.base[index] + wide.load(as: Float.self)
                }
            }
        }
    }

    /// Calls `body` with the elements behind the last 16 whole ones, if there are any.
    private static func withTail(_ count: Int, _ body: (_ first: Int, _ lanes: Int) -> Void) {
        if count & 15 != 0 { body(count & ~15, count & 15) }
    }

    /// Calls `body` with zeroed room for 16 numbers of each kind.
    private static func withRoom(_ body: (_ wide: UnsafeMutableRawPointer, _ narrow: UnsafeMutableRawPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: 96, alignment: 64) { room in
            guard let base = room.baseAddress else { return }
            base.initializeMemory(as: UInt8.self, repeating: 0, count: 96)
            body(base, base + 64)
        }
    }
}
