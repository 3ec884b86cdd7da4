import Foundation

extension Workbench {
    /// Image files that Pillow wrote, all of 9 × 7 pixels.
    private static let references = ["grey8.png", "rgb8.png", "rgba8.png", "la8.png", "palette.png", "bits1.png"]

    private static func reference(_ name: String) throws -> [UInt8] {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return [UInt8](try Data(contentsOf: tests.appending(path: "References/images/\(name)")))
    }

    /// A folder with a folder of twelve images for each of three classes.
    func writeImages(_ folder: String) throws {
        for (index, kind) in ["ash", "birch", "oak"].enumerated() {
            for image in 0..<12 {
                let name = Self.references[(image + index * image) % Self.references.count]
                try write("\(folder)/\(kind)/\(image).png", try Self.reference(name))
            }
        }
    }

    /// The bytes of an array in NumPy's format.
    static func npy(_ descr: String, _ shape: String, _ elements: [UInt8]) -> [UInt8] {
        let header = Array("{'descr': '\(descr)', 'fortran_order': False, 'shape': \(shape), }\n".utf8)
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.count), 0] + header + elements
    }

    /// `numbers.npy`, `labels.npy` and both in `arrays.npz`; `cifar/` with one training file for either set.
    func writeArrays() throws {
        let numbers = Self.npy("|u1", "(42, 4, 4)", (0..<672).map { UInt8(truncatingIfNeeded: $0 * 7) })
        let labels = Self.npy("<i8", "(42,)", (0..<42).flatMap { [UInt8($0 % 3), 0, 0, 0, 0, 0, 0, 0] })
        try write("numbers.npy", numbers)
        try write("labels.npy", labels)
        try write("arrays.npz", Self.storedArchive([("x_train.npy", numbers), ("y_train.npy", labels)]))
        let pixels = (0..<3072).map { UInt8(truncatingIfNeeded: $0 / 12) }
        try write("cifar/ten.bin", (0..<30).flatMap { [UInt8($0 % 10)] + pixels })
        try write("cifar/hundred.bin", (0..<30).flatMap { [UInt8($0 % 20), UInt8($0 * 3)] + pixels })
    }

    /// A ZIP file whose members are stored.
    private static func storedArchive(_ members: [(name: String, content: [UInt8])]) -> [UInt8] {
        func bytes(_ number: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for (name, content) in members {
            let sizes = bytes(sum(content), 4) + bytes(content.count, 4) + bytes(content.count, 4)
            directory += bytes(0x0201_4B50, 4) + bytes(20, 2) + bytes(20, 2) + bytes(0, 8) + sizes + bytes(name.utf8.count, 2)
            directory += bytes(0, 12) + bytes(file.count, 4) + Array(name.utf8)
            file += bytes(0x0403_4B50, 4) + bytes(20, 2) + bytes(0, 8) + sizes + bytes(name.utf8.count, 2) + bytes(0, 2)
            file += Array(name.utf8) + content
        }
        let end = bytes(members.count, 2) + bytes(members.count, 2) + bytes(directory.count, 4) + bytes(file.count, 4)
        return file + directory + bytes(0x0605_4B50, 4) + bytes(0, 4) + end + bytes(0, 2)
    }

    /// CRC-32 (ISO 3309), bit by bit.
    private static func sum(_ content: [UInt8]) -> Int {
        var sum: UInt32 = .max
        for byte in content {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
        return Int(~sum)
    }
}
