import Diagnostics

/// Elements of types that samples can't have, as ones of a type that holds the same numbers: Float32 of float16, Int32 of
/// other integers if all of them fit, else Float64.
struct ArrayConversion {
    let result: ElementType
    private let type: NPYType
    private let source: ByteRegion
    private let offset: Int
    private let count: Int
    private let path: String

    /// The largest whole number up to which Float64 holds all.
    private static let mostExact = Int64(1) << 53

    init(_ type: NPYType, _ source: ByteRegion, _ offset: Int, _ count: Int, _ path: String) throws {
        precondition(offset + count * type.byteCount <= source.count, "\(count) elements at \(offset) of \(source.count)")
        (self.type, self.source, self.offset, self.count, self.path) = (type, source, offset, count, path)
        guard type.kind != .real else {
            result = .littleFloat32
            return
        }
        var fits = true
        for place in 0..<count {
            let number = Self.integer(type, source.base + offset + place * type.byteCount)
            guard let number, (-Self.mostExact...Self.mostExact).contains(number) else {
                throw Failure(
                    .badData,
                    "\(path): element \(place): expected a whole number within ±2^53, found "
                        + (number.map(String.init) ?? "one above 2^63"))
            }
            fits = fits && Int32(exactly: number) != nil
        }
        result = fits ? .littleSigned32 : .littleFloat64
    }

    /// The converted elements.
    func region() throws -> ByteRegion {
        let byteCount = count * result.byteCount
        try requireMemory(byteCount, path)
        return try ByteRegion(count: byteCount, name: path) { target in
            guard let output = target.baseAddress else { return }
            for place in 0..<count {
                let input = source.base + offset + place * type.byteCount
                switch result {
                case .littleFloat32: output.storeBytes(of: half(input), toByteOffset: place * 4, as: Float.self)
                case .littleSigned32:
                    let number = Self.integer(type, input).flatMap { Int32(exactly: $0) } ?? 0
                    output.storeBytes(of: number, toByteOffset: place * 4, as: Int32.self)
                default:
                    output.storeBytes(of: Double(Self.integer(type, input) ?? 0), toByteOffset: place * 8, as: Double.self)
                }
            }
        }
    }

    /// Nil for an unsigned number that Int64 doesn't hold.
    private static func integer(_ type: NPYType, _ input: UnsafeRawPointer) -> Int64? {
        func bits<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type) -> Number {
            let number = input.loadUnaligned(as: Number.self)
            return type.isBigEndian ? Number(bigEndian: number) : number
        }
        switch (type.kind, type.byteCount) {
        case (.unsigned, 2): return Int64(bits(UInt16.self))
        case (.unsigned, 4): return Int64(bits(UInt32.self))
        case (.unsigned, _): return Int64(exactly: bits(UInt64.self))
        default: return bits(Int64.self)
        }
    }

    /// A number of IEEE 754's binary16.
    private func half(_ input: UnsafeRawPointer) -> Float {
        let raw = input.loadUnaligned(as: UInt16.self)
        let bits = type.isBigEndian ? UInt16(bigEndian: raw) : raw
        let fraction = UInt32(bits & 0x3FF)
        let exponent = UInt32(bits >> 10 & 0x1F)
        let size: Float =
            switch exponent {
            case 0: Float(fraction) * 0x1p-24
            case 31: fraction == 0 ? .infinity : .nan
            default: Float(bitPattern: (exponent + 112) << 23 | fraction << 13)
            }
        return bits >> 15 == 1 ? -size : size
    }
}
