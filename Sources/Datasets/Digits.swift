import CZlib
import Diagnostics
import Foundation
import Storage

/// The built-in data set: 1,797 handwritten digits of 8×8 pixels, 0 to 16 (origin in `DigitsData.swift`).
enum Digits {
    static let sampleCount = 1797
    static let pixelCount = 64
    static let classCount = 10
    /// Pixels become numbers from 0 to 1.
    static let normalization = Normalization(scale: [16])

    /// All images with their labels, in the order of the source.
    static func load() throws -> (samples: EncodedSamples, labels: [Int32]) {
        let text = DigitsData.base64.withUTF8Buffer { Data($0) }
        guard let packed = Data(base64Encoded: text) else { throw damage }
        let region = try ByteRegion(count: sampleCount * (pixelCount + 1), name: "digits") { buffer in
            var length = UInt(buffer.count)
            let status = packed.withUnsafeBytes { source in
                // `uncompress` writes at most `length` bytes and checks their sum.
                uncompress(
                    buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), &length,
                    source.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt(source.count))
            }
            guard status == Z_OK, length == buffer.count else { throw damage }
        }
        let bytes = UnsafeRawBufferPointer(start: region.base, count: region.count)
        let labels = bytes[(sampleCount * pixelCount)...].map(Int32.init)
        let samples = EncodedSamples(region: region, offset: 0, type: .unsigned8, width: pixelCount, count: sampleCount)
        return (samples, labels)
    }

    /// Every fifth image (4, 9, 14 …) is for validation.
    static var split: (train: [Int32], validation: [Int32]) {
        let all = (0..<Int32(sampleCount))
        return (all.filter { $0 % 5 != 4 }, all.filter { $0 % 5 == 4 })
    }

    private static let damage = Failure(.internalError, "the built-in digits are damaged; build dtrain again")
}
