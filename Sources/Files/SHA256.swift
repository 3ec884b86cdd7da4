import CCrypto
import Diagnostics

/// A SHA-256 sum (FIPS 180-4) that takes its input piece by piece; libcrypto computes it.
package struct SHA256: ~Copyable {
    private let context: OpaquePointer

    /// - Throws: `Failure(.internalError)` where libcrypto refuses to work.
    package init() throws {
        context = try Self.start()
    }

    private static func start() throws -> OpaquePointer {
        guard let context = EVP_MD_CTX_new() else {
            throw Failure(.internalError, "libcrypto gave no memory for a SHA-256 sum")
        }
        if EVP_DigestInit_ex(context, EVP_sha256(), nil) != 1 {
            EVP_MD_CTX_free(context)
            throw Failure(.internalError, "libcrypto: EVP_DigestInit_ex failed: SHA-256 can't be computed")
        }
        return context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Appends bytes to what is summed.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) throws {
        guard let base = bytes.baseAddress else { return }
        try Self.check(EVP_DigestUpdate(context, base, bytes.count), "EVP_DigestUpdate")
    }

    /// Appends a text's UTF-8.
    package mutating func update(_ text: String) throws {
        var text = text
        try text.withUTF8 { try update(UnsafeRawBufferPointer($0)) }
    }

    /// The sum as 64 lower-case hexadecimal digits.
    package consuming func finish() throws -> String {
        var sum = [UInt8](repeating: 0, count: 32)
        try Self.check(EVP_DigestFinal_ex(context, &sum, nil), "EVP_DigestFinal_ex")
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: sum.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The sum of bytes at hand.
    package static func hexadecimal(of bytes: some Sequence<UInt8>) throws -> String {
        var sum = try SHA256()
        try Array(bytes).withUnsafeBytes { try sum.update($0) }
        return try sum.finish()
    }

    private static func check(_ result: Int32, _ call: String) throws {
        if result != 1 { throw Failure(.internalError, "libcrypto: \(call) failed: SHA-256 can't be computed") }
    }
}
