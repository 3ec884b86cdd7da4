extension Safetensors.ElementType {
    /// An element, given as its bits in the lower end: with the fewest digits that read back as the same number.
    package func text(ofBits bits: UInt64) -> String {
        switch self {
        case .f64: "\(Double(bitPattern: bits))"
        case .f16, .f8e5m2: "\(half(bits))"
        case .f32, .bf16, .f8e4m3: "\(Float(number(bits)))"
        case .bool: bits == 0 ? "false" : bits == 1 ? "true" : "\(bits)"
        case .u8, .u16, .u32, .u64: "\(bits)"
        case .i8, .i16, .i32, .i64: "\(signed(bits))"
        }
    }

    /// All bits of an element, as hexadecimal digits.
    package func hexadecimal(ofBits bits: UInt64) -> String {
        let digits = String(bits, radix: 16)
        return String(repeating: "0", count: max(0, 2 * byteCount - digits.count)) + digits
    }

    /// The distance between two elements; NaN where one of them is.
    func difference(_ a: UInt64, _ b: UInt64) -> Double {
        switch self {
        case .f64, .f32, .f16, .bf16, .f8e5m2, .f8e4m3: abs(number(a) - number(b))
        case .bool, .u8, .u16, .u32, .u64: Double(max(a, b) - min(a, b))
        // The distance of two Int64 may be no Int64, but wrapped around it has the bits of the right UInt64.
        case .i8, .i16, .i32, .i64: Double(UInt64(bitPattern: max(signed(a), signed(b)) &- min(signed(a), signed(b))))
        }
    }

    /// The value of a floating-point element, exactly; a NaN of any payload as NaN.
    private func number(_ bits: UInt64) -> Double {
        switch self {
        case .f64: Double(bitPattern: bits)
        case .f32: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        case .bf16: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits) << 16))
        case .f16, .f8e5m2: Double(half(bits))
        case .f8e4m3: Self.quarter(bits)
        case .bool, .u8, .u16, .u32, .u64: Double(bits)
        case .i8, .i16, .i32, .i64: Double(signed(bits))
        }
    }

    /// `F16`, or `F8_E5M2`, which is its upper byte.
    private func half(_ bits: UInt64) -> Float16 {
        let bits = UInt16(truncatingIfNeeded: bits)
        return Float16(bitPattern: self == .f8e5m2 ? bits << 8 : bits)
    }

    /// `F8_E4M3` (https://arxiv.org/abs/2209.05433): bias 7, no infinities, NaN where all bits but the sign are set.
    private static func quarter(_ bits: UInt64) -> Double {
        let (exponent, fraction) = (Int(bits >> 3 & 15), Double(bits & 7))
        if bits & 127 == 127 { return .nan }
        let magnitude =
            exponent == 0
            ? fraction / 512
            : Double(
                sign: .plus, exponent: exponent - 10,
                significand: 8 + fraction)
        return bits & 128 == 0 ? magnitude : -magnitude
    }

    /// An integer with the sign that its own width gives it.
    private func signed(_ bits: UInt64) -> Int64 {
        let unused = UInt64(64 - 8 * byteCount)
        return Int64(bitPattern: bits << unused) >> Int64(unused)
    }
}
