import Diagnostics
import Storage

/// The header of an array in NumPy's format, versions 1 to 3
/// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): eight bytes of magic and version, the length of
/// a Python dictionary as text, and that: `{'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }`.
struct NPYHeader {
    /// The bytes of magic, version and the longest length.
    static let prefixByteCount = 12
    /// NumPy itself reads 10,000 bytes of a header, unless it is told to trust it.
    private static let mostBytes = 1 << 16
    /// The most dimensions of an array, as of NumPy 2.
    private static let mostDimensions = 64

    let type: NPYType
    /// Whether the first index runs fastest.
    let isFortran: Bool
    let dimensions: [Int]
    /// Where the elements begin.
    let byteCount: Int
    /// How many bytes the elements take.
    let payload: Int

    static func isMagic(_ bytes: some Sequence<UInt8>) -> Bool { bytes.prefix(6).elementsEqual([0x93] + Array("NUMPY".utf8)) }

    /// How long a header is that begins with these bytes, all of it.
    static func byteCount(_ prefix: [UInt8], path: String) throws -> Int {
        guard isMagic(prefix) else {
            let found = prefix.isEmpty ? "an empty file" : hexadecimal(prefix.prefix(8))
            throw Failure(
                .badData, "\(path): not an array of NumPy: expected it to begin with 93 4e 55 4d 50 59, found \(found)")
        }
        guard prefix.count == prefixByteCount else { throw truncated(path, expected: prefixByteCount, found: prefix.count) }
        guard (1...3).contains(prefix[6]) else {
            throw Failure(
                .badData, "\(path): version \(prefix[6]).\(prefix[7]) of NumPy's format; expected 1, 2 or 3: save it again")
        }
        let lengthBytes = prefix[6] == 1 ? 2 : 4
        let length = prefix[8..<8 + lengthBytes].reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= mostBytes else {
            throw Failure(
                .badData, "\(path): its header says that it has \(length) bytes; expected at most \(mostBytes)")
        }
        return 8 + lengthBytes + length
    }

    /// - Parameter bytes: the whole header, as long as `byteCount` says.
    init(_ bytes: [UInt8], path: String) throws {
        let count = try Self.byteCount(Array(bytes.prefix(Self.prefixByteCount)), path: path)
        guard bytes.count >= count else { throw Self.truncated(path, expected: count, found: bytes.count) }
        let start = bytes[6] == 1 ? 10 : 12
        guard count >= start, let fields = PythonDictionary(bytes[start..<count]) else {
            throw Failure(
                .badData, "\(path): its header can't be read; expected a dictionary of descr, fortran_order and shape")
        }
        guard case .text(let descr)? = fields["descr"] else {
            throw Failure(
                .badData, "\(path): an array of records; expected one of plain numbers: save each field as an array of its own")
        }
        guard let type = NPYType(descr) else {
            throw Failure(
                .badData,
                "\(path): elements of NumPy's type \"\(shortened(descr))\"; expected integers, bool, float16, float32 or "
                    + "float64: convert it (x.astype(\"float32\"))")
        }
        guard case .truth(let isFortran)? = fields["fortran_order"], case .numbers(let dimensions)? = fields["shape"] else {
            throw Failure(
                .badData, "\(path): its header can't be read; expected a dictionary of descr, fortran_order and shape")
        }
        self.type = type
        self.isFortran = isFortran
        self.dimensions = dimensions
        byteCount = count
        let written =
            "(" + dimensions.prefix(10).map(String.init).joined(separator: ", ")
            + (dimensions.count > 10 ? ", …)" : ")")
        guard let samples = dimensions.first else {
            throw Failure(.badData, "\(path): a single number; expected an array whose first dimension counts samples")
        }
        guard samples > 0 else { throw Failure(.badData, "\(path): an empty set: an array of shape \(written)") }
        guard dimensions.count <= Self.mostDimensions, samples <= Int(Int32.max), dimensions.allSatisfy({ $0 > 0 }) else {
            throw Failure(
                .badData,
                "\(path): an array of shape \(written); expected sizes above 0, at most \(Int32.max) samples and at most "
                    + "\(Self.mostDimensions) dimensions")
        }
        var payload = type.byteCount
        for dimension in dimensions {
            let product = payload.multipliedReportingOverflow(by: dimension)
            guard !product.overflow, product.partialValue <= Int.max / 16 else {
                throw Failure(.badData, "\(path): an array of shape \(written), which no file can hold")
            }
            payload = product.partialValue
        }
        self.payload = payload
    }

    private static func truncated(_ path: String, expected: Int, found: Int) -> Failure {
        Failure(
            .badData, "\(path): truncated in its header: expected \(expected) bytes, found \(found); fetch the file again")
    }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }
}

/// The element type of an array, as NumPy writes it: `<f4`.
struct NPYType {
    enum Kind: Character { case truth = "b", signed = "i", unsigned = "u", real = "f" }

    let kind: Kind
    let byteCount: Int
    let isBigEndian: Bool

    /// Nil for what isn't a plain number of a size that is read.
    init?(_ descr: String) {
        let letters = Array(descr)
        guard letters.count == 3, "<>|=".contains(letters[0]), let kind = Kind(rawValue: letters[1]),
            let size = letters[2].wholeNumberValue
        else { return nil }
        let sizes: [Int] =
            switch kind {
            case .truth: [1]
            case .signed, .unsigned: [1, 2, 4, 8]
            case .real: [2, 4, 8]
            }
        guard sizes.contains(size), size == 1 || letters[0] != "|" else { return nil }
        self.kind = kind
        byteCount = size
        isBigEndian = letters[0] == ">"
    }

    /// How such elements can stay as they are; nil for those that are converted.
    var stored: ElementType? {
        switch (kind, byteCount) {
        case (.truth, _), (.unsigned, 1): .unsigned8
        case (.signed, 1): .signed8
        case (.signed, 2): isBigEndian ? .signed16 : .littleSigned16
        case (.signed, 4): isBigEndian ? .signed32 : .littleSigned32
        case (.real, 4): isBigEndian ? .float32 : .littleFloat32
        case (.real, 8): isBigEndian ? .float64 : .littleFloat64
        default: nil
        }
    }
}
