import Storage
import Testing

/// Numbers for a test: the same for the same seed, standard size, both signs, no ties.
func numbers(_ count: Int, seed: UInt64, scale: Double = 1) -> [Float] {
    let stream = RandomStream(seed: seed, purpose: .gradientCheck)
    return (0..<count).map { index in
        Float((Double(stream.word(0, ordinal: UInt64(index)) >> 11) * 0x1p-52 - 1) * scale)
    }
}

/// An operand or a result somewhere inside a larger buffer: misaligned, with guards around that must not change.
final class Guarded {
    /// What the guards hold, and results before they are assigned: a NaN of its own.
    static var guardBits: UInt32 { 0x7fa5_5a5a }

    private let buffer: AlignedBuffer<Float>
    private let margin: Int
    let rows: Int
    let columns: Int
    private let stride: Int

    /// - Parameter gap: guards between a row and the next one.
    init(rows: Int, columns: Int, misalignment: Int = 0, gap: Int = 0) {
        margin = 24 + misalignment
        self.rows = rows
        self.columns = columns
        stride = columns + gap
        buffer = AlignedBuffer(count: rows * stride + 2 * margin, repeating: Float(bitPattern: Self.guardBits))
    }

    convenience init(_ values: [Float], rows: Int, columns: Int, misalignment: Int = 0, gap: Int = 0) {
        precondition(values.count == rows * columns, "\(values.count) values for \(rows)×\(columns)")
        self.init(rows: rows, columns: columns, misalignment: misalignment, gap: gap)
        for index in values.indices { buffer[margin + index / columns * stride + index % columns] = values[index] }
    }

    var view: MutableMatrixView { MutableMatrixView(base: buffer.base + margin, rows: rows, columns: columns, stride: stride) }
    var readOnly: MatrixView { view.readOnly }
    var values: [Float] { (0..<rows).flatMap { Array(readOnly.row($0)) } }

    /// The bits of the values, NaN comparable.
    var bits: [UInt32] { values.map(\.bitPattern) }

    /// Whether everything around the values is what it was.
    var guardsHold: Bool {
        buffer.elements.indices.allSatisfy { index in
            let place = index - margin
            let isInside = place >= 0 && place < rows * stride && place % stride < columns
            return isInside || buffer[index].bitPattern == Self.guardBits
        }
    }
}

/// Whether `value` is `expected` within `tolerance`; infinities and NaN must be met exactly.
func agrees(_ value: Float, _ expected: Double, within tolerance: Double) -> Bool {
    if expected.isNaN { return value.isNaN }
    if expected.isInfinite { return Double(value) == expected }
    return abs(Double(value) - expected) <= tolerance
}

/// Half the distance between neighbouring Float32 near 1: what one rounding costs at most, relatively.
let unit = 0x1p-24

/// Errors that only a handful of lines report, with the place of the test that failed.
func expectAll(
    _ count: Int, _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ holds: (Int) -> Bool
) {
    let failed = (0..<count).filter { !holds($0) }
    #expect(
        failed.isEmpty, "\(what): \(failed.count) of \(count), first at \(failed.prefix(5))",
        sourceLocation: sourceLocation)
}

/// Level by level, as DESIGN defines the tree: node(l, i) = node(l−1, 2i) + node(l−1, 2i+1).
func treeSum<Value>(_ leaves: [Value], _ add: (Value, Value) -> Value) -> Value? {
    var nodes = leaves
    while nodes.count > 1 {
        nodes = stride(from: 0, to: nodes.count, by: 2).map { i in
            i + 1 < nodes.count ? add(nodes[i], nodes[i + 1]) : nodes[i]
        }
    }
    return nodes.first
}

/// Sizes around the widths of vectors and tiles.
let oddSizes = [1, 2, 3, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23, 31, 32, 33, 47, 49, 65]
