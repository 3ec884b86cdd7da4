import Kernels
import Storage
import Testing

@Suite("Numbers of 16 bits")
struct BFloat16Tests {
    /// Rounding by the definition: of the two nearest numbers of 16 bits the nearer one, of equally near ones the even one. In
    /// whole numbers, since on a thread that computes denormals count as zero.
    private static func rounded(_ number: Float) -> Float {
        guard !number.isNaN else { return .nan }
        let (below, rest) = (number.bitPattern >> 16, number.bitPattern & 0xFFFF)
        let isUp = rest > 0x8000 || rest == 0x8000 && below & 1 == 1
        return Float(bitPattern: (isUp ? below + 1 : below) << 16)
    }

    private static let special: [Float] = [
        0, -0, 1, -1, .infinity, -.infinity, .nan, Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0x7FFF_FFFF),
        .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, .leastNormalMagnitude,
        Float(bitPattern: 0x3F80_8000), Float(bitPattern: 0x3F81_8000), Float(bitPattern: 0x3F80_7FFF)
    ]

    @Test("what is compressed and expanded is rounded to nearest, ties to even", arguments: [1, 5, 15, 16, 17, 48, 1024, 1031])
    func rounding(count: Int) {
        let values = (0..<count).map { index in
            index < Self.special.count
                ? Self.special[index] : Float(bitPattern: UInt32(index) &* 2_654_435_761 &+ UInt32(count))
        }
        let buffer = AlignedBuffer<Float>(count: count)
        for index in values.indices { buffer[index] = values[index] }
        let all = buffer.matrix(rows: 1, columns: count)
        let sent = BFloat16.compress(all)
        #expect(sent.count == 2 * count)
        let received = AlignedBuffer<Float>(count: count)
        BFloat16.room(in: received.matrix(rows: 1, columns: count)).copyMemory(from: sent)
        BFloat16.expand(received.matrix(rows: 1, columns: count))
        for index in values.indices {
            let expected = Self.rounded(values[index])
            #expect(
                received[index].bitPattern == expected.bitPattern || received[index].isNaN && expected.isNaN,
                "\(values[index]): \(received[index]), expected \(expected)")
        }
    }

    @Test("whoever adds the rounded change to the old weights has the new ones of the owner", arguments: [1, 16, 33, 1000])
    func changes(count: Int) {
        let old = AlignedBuffer<Float>(count: count), new = AlignedBuffer<Float>(count: count)
        let other = AlignedBuffer<Float>(count: count)
        let change = AlignedBuffer<UInt16>(count: count, repeating: 0)
        let (first, second) = (numbers(count, seed: 1), numbers(count, seed: 2))
        for index in 0..<count {
            old[index] = first[index]
            new[index] = first[index] + 0.01 * second[index]
        }
        let exact = (0..<count).map { new[$0] }
        func view(_ buffer: borrowing AlignedBuffer<Float>) -> MutableMatrixView { buffer.matrix(rows: 1, columns: count) }
        BFloat16.roundChange(from: view(old).readOnly, of: view(new), into: UnsafeMutableRawPointer(change.base))
        BFloat16.add(UnsafeRawPointer(change.base), to: view(old).readOnly, into: view(other))
        for index in 0..<count {
            #expect(new[index].bitPattern == other[index].bitPattern)
            // Half a unit in the ninth bit of the change, and half a one in the last place of the sum.
            let bound = abs(exact[index] - old[index]) / 256 + exact[index].ulp
            #expect(abs(new[index] - exact[index]) <= bound, "\(exact[index]) became \(new[index])")
        }
    }
}
