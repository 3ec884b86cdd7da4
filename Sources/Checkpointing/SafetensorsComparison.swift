import Diagnostics
import Foundation

/// What two safetensors files have in common, tensor by tensor and bit by bit.
///
/// Tensors are matched by name, so the order in the files and their metadata make no difference. Elements are compared
/// as bits: −0 isn't 0, and a NaN is equal to a NaN of the same payload. Memory stays at two pieces of a megabyte,
/// whatever the size of the files.
package struct SafetensorsComparison: Sendable {
    /// Two tensors of one name that can't be compared element by element.
    package struct Mismatch: Equatable, Sendable {
        package let first: SafetensorsFile.Tensor
        package let second: SafetensorsFile.Tensor
    }

    /// Two elements of one place that aren't the same bits.
    package struct Difference: Equatable, Sendable {
        package let tensor: String
        /// As many numbers as the tensor has dimensions.
        package let index: [Int]
        package let type: Safetensors.ElementType
        package let firstBits: UInt64
        package let secondBits: UInt64
    }

    /// Tensors, in the order of their file.
    package private(set) var onlyInFirst: [SafetensorsFile.Tensor] = []
    package private(set) var onlyInSecond: [SafetensorsFile.Tensor] = []
    /// Tensors of another shape or type.
    package private(set) var mismatches: [Mismatch] = []
    /// Tensors that were compared element by element, and their elements.
    package private(set) var tensorCount = 0
    package private(set) var elementCount = 0

    /// In the first tensor of the first file that differs, the first element that does.
    package private(set) var firstDifference: Difference?
    package private(set) var differingElements = 0
    /// Of the differing pairs those in which an element is NaN.
    package private(set) var differingNaNs = 0
    /// Over all differing pairs of numbers.
    package private(set) var largestDifference = 0.0

    /// Whether both hold the same tensors, bit for bit.
    package var isEqual: Bool {
        onlyInFirst.isEmpty && onlyInSecond.isEmpty && mismatches.isEmpty && differingElements == 0
    }

    /// Compares two files.
    /// - Throws: `Failure` if one of them can't be read to its end.
    package init(_ first: SafetensorsFile, _ second: SafetensorsFile) throws {
        onlyInSecond = second.tensors.filter { first.tensor(named: $0.name) == nil }
        let pieces = (0..<2).map { _ in UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64) }
        defer { for piece in pieces { piece.deallocate() } }
        for tensor in first.tensors {
            guard let other = second.tensor(named: tensor.name) else {
                onlyInFirst.append(tensor)
                continue
            }
            guard tensor.type == other.type, tensor.shape == other.shape else {
                mismatches.append(Mismatch(first: tensor, second: other))
                continue
            }
            tensorCount += 1
            elementCount += tensor.elementCount
            var start = 0
            // Pieces hold whole elements: their size is a multiple of every element's.
            while start < tensor.byteCount {
                let count = min(1 << 20, tensor.byteCount - start)
                let (a, b) = (
                    UnsafeMutableRawBufferPointer(rebasing: pieces[0][..<count]),
                    UnsafeMutableRawBufferPointer(rebasing: pieces[1][..<count])
                )
                try first.read(tensor, from: start, into: a)
                try second.read(other, from: start, into: b)
                if !a.elementsEqualInMemory(b) {
                    compare(
                        UnsafeRawBufferPointer(a), UnsafeRawBufferPointer(b), of: tensor,
                        firstElement: start / tensor.type.byteCount)
                }
                start += count
            }
        }
    }

    private mutating func compare(
        _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer,
        of tensor: SafetensorsFile.Tensor, firstElement: Int
    ) {
        switch tensor.type.byteCount {
        case 1: compare(a, b, as: UInt8.self, of: tensor, firstElement)
        case 2: compare(a, b, as: UInt16.self, of: tensor, firstElement)
        case 4: compare(a, b, as: UInt32.self, of: tensor, firstElement)
        default: compare(a, b, as: UInt64.self, of: tensor, firstElement)
        }
    }

    /// `a` and `b` hold whole elements of the size of `Bits`, from a multiple of 64 bytes on.
    private mutating func compare<Bits: FixedWidthInteger & BitwiseCopyable>(
        _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, as bits: Bits.Type,
        of tensor: SafetensorsFile.Tensor, _ firstElement: Int
    ) {
        for i in 0..<a.count / MemoryLayout<Bits>.size {
            let x = Bits(littleEndian: a.load(fromByteOffset: i * MemoryLayout<Bits>.size, as: Bits.self))
            let y = Bits(littleEndian: b.load(fromByteOffset: i * MemoryLayout<Bits>.size, as: Bits.self))
            if x == y { continue }
            let (firstBits, secondBits) = (UInt64(x), UInt64(y))
            if firstDifference == nil {
                firstDifference = Difference(
                    tensor: tensor.name,
                    index: Self.index(ofElement: firstElement + i, in: tensor.shape),
                    type: tensor.type, firstBits: firstBits, secondBits: secondBits)
            }
            differingElements += 1
            let difference = tensor.type.difference(firstBits, secondBits)
            if difference.isNaN { differingNaNs += 1 }
            if difference > largestDifference { largestDifference = difference }
        }
    }

    /// Rows first, as the format lays elements out.
    private static func index(ofElement element: Int, in shape: [Int]) -> [Int] {
        var rest = element
        let reversed = shape.reversed().map { length in
            defer { rest /= length }
            return rest % length
        }
        return reversed.reversed()
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func elementsEqualInMemory(_ other: UnsafeMutableRawBufferPointer) -> Bool {
        guard let own = baseAddress, let others = other.baseAddress else { return count == other.count }
        return count == other.count && memcmp(own, others, count) == 0
    }
}
