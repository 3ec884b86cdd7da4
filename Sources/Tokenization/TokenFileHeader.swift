import Diagnostics

/// How many bytes a token takes in a file, little-endian and unsigned.
package enum TokenWidth: Int, Sendable, CaseIterable {
    case two = 2
    case four = 4

    /// What a configuration calls it.
    package var name: String { self == .two ? "uint16" : "uint32" }

    /// The least width that holds so many different tokens.
    package init(tokenCount: Int) { self = tokenCount <= 1 << 16 ? .two : .four }

    package init?(name: String) {
        guard let width = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = width
    }
}

/// What stands in front of the tokens in a file of llm.c (https://github.com/karpathy/llm.c, `dev/data/data_common.py`): 256 numbers of
/// 32 bits, little-endian: a magic number, a version, and how many tokens follow. nanoGPT's files have nothing in front.
package struct TokenFileHeader: Equatable, Sendable {
    package let count: Int
    package let width: TokenWidth

    package static let byteCount = 1024

    /// Magic number and version by width: those of GPT-2's tokens, and of Llama 3's.
    private static func mark(_ width: TokenWidth) -> (magic: Int32, version: Int32) {
        width == .two ? (20_240_520, 1) : (20_240_801, 7)
    }

    package init(count: Int, width: TokenWidth) {
        self.count = count
        self.width = width
    }

    /// The header that a file begins with; nil where it begins with tokens.
    ///
    /// - Parameter bytes: the first of the file, as many as a header has, or all.
    /// - Throws: 65 for a header of another version.
    package init?(_ bytes: UnsafeRawBufferPointer, path: String) throws {
        guard bytes.count >= 12 else { return nil }
        func number(_ place: Int) -> Int32 {
            Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * place, as: Int32.self))
        }
        guard let width = TokenWidth.allCases.first(where: { Self.mark($0).magic == number(0) }) else { return nil }
        guard number(1) == Self.mark(width).version, bytes.count >= Self.byteCount, number(2) >= 0 else {
            throw Failure(
                .badData,
                "\(path): a token file of llm.c with version \(number(1)) and \(number(2)) tokens; expected version "
                    + "\(Self.mark(width).version), and a header of \(Self.byteCount) bytes")
        }
        self.init(count: Int(number(2)), width: width)
    }

    /// The most tokens that a header can tell of.
    package static let mostTokens = Int(Int32.max)

    /// The header as it stands in a file.
    package var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.byteCount)
        let mark = Self.mark(width)
        for (place, number) in [mark.magic, mark.version, Int32(count)].enumerated() {
            withUnsafeBytes(of: number.littleEndian) {
                for (index, byte) in $0.enumerated() { bytes[4 * place + index] = byte }
            }
        }
        return bytes
    }
}
