import CCrypto
import Diagnostics

extension Dataset {
    /// SHA-256 over all that a network gets to see: shapes, kind of target, the stored inputs with their normalisation,
    /// the targets, and the weights, sample by sample. Equal on every rank and machine, and for a file compressed or not.
    ///
    /// Reads all of the data (about a second per GB): ask once.
    package func digest() throws -> String {
        var hash = try ContentHash()
        try hash.update("dtrain data 1 \(count) \(inputShape) \(targetKind) \(classNames ?? [])\n")
        if case .encoded(let samples, let rescaling) = inputs {
            try hash.update("\(samples.type)\n")
            try rescaling.doubles.offsets.withUnsafeBytes { try hash.update($0) }
            try rescaling.doubles.factors.withUnsafeBytes { try hash.update($0) }
        }
        for sample in 0..<count {
            let place = rows.map { Int($0[sample]) } ?? sample
            switch inputs {
            case .encoded(let samples, _): try hash.update(samples.bytes(ofSample: place))
            case .ready(let values, _): try Self.update(&hash, values, place, inputShape.count)
            }
            switch (targets, targetKind) {
            case (.classes(let classes), _): try Self.update(&hash, classes, place, 1)
            case (.values(let values), .values(let width)): try Self.update(&hash, values, place, width)
            default: break
            }
            if let weights { try Self.update(&hash, weights, place, 1) }
        }
        return try hash.finish()
    }

    /// Adds numbers as they lie in memory; every machine that dtrain is built for is little-endian.
    private static func update<Number: BitwiseCopyable>(_ hash: inout ContentHash, _ numbers: [Number], _ sample: Int,
                                                        _ width: Int) throws {
        try numbers[sample * width..<(sample + 1) * width].withUnsafeBytes { try hash.update($0) }
    }
}

/// SHA-256 by libcrypto.
private struct ContentHash: ~Copyable {
    private let context: OpaquePointer

    init() throws {
        guard let context = EVP_MD_CTX_new() else { throw Self.failure }
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            EVP_MD_CTX_free(context)
            throw Self.failure
        }
        self.context = context
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) throws {
        guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else { throw Self.failure }
    }

    mutating func update(_ text: String) throws {
        var text = text
        try text.withUTF8 { try update(UnsafeRawBufferPointer($0)) }
    }

    /// The hash as 64 hexadecimal digits.
    mutating func finish() throws -> String {
        var bytes = [UInt8](repeating: 0, count: 32)
        guard EVP_DigestFinal_ex(context, &bytes, nil) == 1 else { throw Self.failure }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static var failure: Failure { Failure(.internalError, "libcrypto can't compute SHA-256") }
}
