import Storage

/// The inputs of samples as they lie in memory.
enum StoredInputs: Sendable {
    /// Float32, already normalised, one sample behind the other.
    case ready([Float], count: Int)
    /// As the file has them; converted and normalised when they are gathered, so that bytes stay bytes.
    case encoded(EncodedSamples, Rescaling)

    /// Windows on tokens.
    case windows(TokenWindows)

    /// Texts of different lengths, filled up with padding when they are gathered.
    case sequences(TokenSequences)

    /// Windows on the rows of series.
    case series(SeriesWindows)

    /// Steps of numbers, filled up with padding when they are gathered where samples have different lengths.
    case steps(StepSequences)

    func count(width: Int) -> Int {
        switch self {
        case .windows(let windows): windows.count
        case .sequences(let sequences): sequences.count
        case .series(let windows): windows.count
        case .steps(let steps): steps.count
        case .ready(_, let count): count
        case .encoded(let samples, _): samples.count
        }
    }
}

/// The targets of samples as they lie in memory.
enum StoredTargets: Sendable {
    case classes([Int32])
    /// At each position of a window the token behind it.
    case nextTokens
    /// Numbers of the rows behind a window of series.
    case rowsBehind
    /// One sample behind the other.
    case values([Float])
}

/// The element types of stored samples: those of IDX files by their code (http://yann.lecun.com/exdb/mnist/), which are
/// big-endian, and those of NumPy's files that are little-endian, whose code is the same plus 0x80.
enum ElementType: UInt8, Sendable, CaseIterable {
    case unsigned8 = 0x08
    case signed8 = 0x09
    case signed16 = 0x0B
    case signed32 = 0x0C
    case float32 = 0x0D
    case float64 = 0x0E
    case littleSigned16 = 0x8B
    case littleSigned32 = 0x8C
    case littleFloat32 = 0x8D
    case littleFloat64 = 0x8E

    /// The type of a code in an IDX file.
    init?(idxCode: UInt8) {
        guard idxCode < 0x80 else { return nil }
        self.init(rawValue: idxCode)
    }

    var byteCount: Int {
        switch self {
        case .unsigned8, .signed8: 1
        case .signed16, .littleSigned16: 2
        case .signed32, .float32, .littleSigned32, .littleFloat32: 4
        case .float64, .littleFloat64: 8
        }
    }

    var isFloatingPoint: Bool {
        switch self {
        case .float32, .float64, .littleFloat32, .littleFloat64: true
        default: false
        }
    }
}

/// A table of numbers as a file holds it: `count` samples of `width` elements.
struct EncodedSamples: Sendable {
    let region: ByteRegion
    /// Where in the region the first sample begins. Invariant: count × width elements from there lie in the region.
    let offset: Int
    let type: ElementType
    let width: Int
    let count: Int

    init(region: ByteRegion, offset: Int, type: ElementType, width: Int, count: Int) {
        precondition(
            offset >= 0 && width >= 0 && count >= 0
                && offset + count * width * type.byteCount <= region.count,
            "\(count)×\(width) elements of \(type.byteCount) bytes at \(offset) of \(region.count) bytes")
        self.region = region
        self.offset = offset
        self.type = type
        self.width = width
        self.count = count
    }

    /// The bytes of a sample.
    func bytes(ofSample sample: Int) -> UnsafeRawBufferPointer {
        precondition(sample >= 0 && sample < count, "sample \(sample) of \(count)")
        let length = width * type.byteCount
        return UnsafeRawBufferPointer(start: region.base + offset + sample * length, count: length)
    }

    /// (x − offset) · factor for every element x of a sample.
    @inline(__always)
    func rescale(sample: Int, by rescaling: Rescaling, into destination: UnsafeMutableBufferPointer<Float>) {
        let source = bytes(ofSample: sample)
        switch type {
        case .unsigned8: rescaled(UInt8.self, source, rescaling.floats, destination)
        case .signed8: rescaled(Int8.self, source, rescaling.floats, destination)
        case .signed16: rescaled(Int16.self, source, rescaling.floats, destination)
        case .signed32: rescaled(Int32.self, source, rescaling.doubles, destination)
        case .float32: rescaled(Float32Bits.self, source, rescaling.floats, destination)
        case .float64: rescaled(Float64Bits.self, source, rescaling.doubles, destination)
        case .littleSigned16: rescaled(LittleInt16.self, source, rescaling.floats, destination)
        case .littleSigned32: rescaled(LittleInt32.self, source, rescaling.doubles, destination)
        case .littleFloat32: rescaled(LittleFloat32.self, source, rescaling.floats, destination)
        case .littleFloat64: rescaled(LittleFloat64.self, source, rescaling.doubles, destination)
        }
    }

    /// The elements of a sample as they are.
    func numbers(sample: Int, into destination: inout [Double]) {
        precondition(destination.count == width, "\(width) elements into \(destination.count)")
        let source = bytes(ofSample: sample)
        switch type {
        case .unsigned8: decode(UInt8.self, source, &destination)
        case .signed8: decode(Int8.self, source, &destination)
        case .signed16: decode(Int16.self, source, &destination)
        case .signed32: decode(Int32.self, source, &destination)
        case .float32: decode(Float32Bits.self, source, &destination)
        case .float64: decode(Float64Bits.self, source, &destination)
        case .littleSigned16: decode(LittleInt16.self, source, &destination)
        case .littleSigned32: decode(LittleInt32.self, source, &destination)
        case .littleFloat32: decode(LittleFloat32.self, source, &destination)
        case .littleFloat64: decode(LittleFloat64.self, source, &destination)
        }
    }

    @inline(__always)
    private func rescaled<Element: EncodedElement>(
        _: Element.Type, _ source: UnsafeRawBufferPointer, _ terms: Rescaling.Terms<Element.Number>,
        _ destination: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(destination.count == width, "\(width) elements into \(destination.count)")
        guard let input = source.baseAddress, let output = destination.baseAddress else { return }
        // Pointers stay inside `source` and `destination`: both hold `width` elements (the lengths are checked above).
        if let offset = terms.singleOffset, let factor = terms.singleFactor {
            for i in 0..<width {
                let raw = input.loadUnaligned(fromByteOffset: i &* MemoryLayout<Element>.size, as: Element.self)
                output[i] = Float((raw.number - offset) * factor)
            }
        } else {
            precondition(terms.offsets.count == width && terms.factors.count == width, "terms for \(width) elements")
            terms.offsets.withUnsafeBufferPointer { offsets in
                terms.factors.withUnsafeBufferPointer { factors in
                    for i in 0..<width {
                        let raw = input.loadUnaligned(fromByteOffset: i &* MemoryLayout<Element>.size, as: Element.self)
                        output[i] = Float((raw.number - offsets[i]) * factors[i])
                    }
                }
            }
        }
    }

    @inline(__always)
    private func decode<Element: EncodedElement>(
        _: Element.Type, _ source: UnsafeRawBufferPointer,
        _ destination: inout [Double]
    ) {
        for i in 0..<width {
            let raw = source.loadUnaligned(fromByteOffset: i &* MemoryLayout<Element>.size, as: Element.self)
            destination[i] = Double(raw.number)
        }
    }
}

/// A number in the form that a file gives it.
private protocol EncodedElement: BitwiseCopyable {
    /// Float where that holds every value exactly, else Double.
    associatedtype Number: BinaryFloatingPoint
    var number: Number { get }
}

extension UInt8: EncodedElement { fileprivate var number: Float { Float(self) } }
extension Int8: EncodedElement { fileprivate var number: Float { Float(self) } }
extension Int16: EncodedElement { fileprivate var number: Float { Float(Int16(bigEndian: self)) } }
extension Int32: EncodedElement { fileprivate var number: Double { Double(Int32(bigEndian: self)) } }

private struct Float32Bits: EncodedElement {
    let bits: UInt32
    var number: Float { Float(bitPattern: UInt32(bigEndian: bits)) }
}

private struct Float64Bits: EncodedElement {
    let bits: UInt64
    var number: Double { Double(bitPattern: UInt64(bigEndian: bits)) }
}

// Every machine that dtrain is built for is little-endian.

private struct LittleInt16: EncodedElement {
    let native: Int16
    var number: Float { Float(native) }
}

private struct LittleInt32: EncodedElement {
    let native: Int32
    var number: Double { Double(native) }
}

private struct LittleFloat32: EncodedElement { let number: Float }
private struct LittleFloat64: EncodedElement { let number: Double }
