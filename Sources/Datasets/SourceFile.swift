import Diagnostics
import Files
import Foundation

/// A data file that is read from front to back, inflated on the way where its content is gzip.
final class SourceFile {
    let path: String
    /// The length of the file itself.
    let byteCount: Int
    /// Whether the file begins with the two bytes of gzip, whatever its name is.
    let isCompressed: Bool
    private let descriptor: Int32
    private var inflater: Inflater?

    /// Opens `path`: 66 if it isn't there, 65 if it is no file, 74 if it can't be read. What isn't a file is not even
    /// opened: opening a pipe waits for its other end, and a device may take it for a request.
    init(path: String) throws {
        try Self.requireFile(path) { stat(path, $0) }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw Self.openFailure(path, errno) }
        var byteCount = 0
        var magic: [UInt8] = [0, 0]
        do {
            // Once more, since another may stand there by now.
            byteCount = try Self.requireFile(path) { fstat(descriptor, $0) }
            let found = pread(descriptor, &magic, 2, 0)
            guard found >= 0 else { throw Self.readFailure(path) }
            isCompressed = found == 2 && magic == [0x1F, 0x8B]
            inflater = isCompressed ? try Inflater(name: path) : nil
        } catch {
            close(descriptor)
            throw error
        }
        self.path = path
        self.byteCount = byteCount
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// The length of the file that `status` finds.
    @discardableResult
    private static func requireFile(_ path: String, _ status: (UnsafeMutablePointer<stat>) -> Int32) throws -> Int {
        var found = stat()
        guard status(&found) == 0 else { throw openFailure(path, errno) }
        let kind =
            switch found.st_mode & S_IFMT {
            case S_IFREG: ""
            case S_IFDIR: "a directory"
            case S_IFIFO: "a pipe"
            case S_IFSOCK: "a socket"
            default: "a device"
            }
        guard kind.isEmpty else {
            throw Failure(
                .badData,
                "\(path): \(kind), not a regular file; expected a data file"
                    + (kind == "a pipe" ? " (save its contents to a file first)" : ""))
        }
        return Int(found.st_size)
    }

    private static func openFailure(_ path: String, _ code: Int32) -> Failure {
        guard code != ENOENT && code != ENOTDIR else {
            return Failure(
                .missingInput,
                "\(path.isEmpty ? "\"\"" : path): no such data file "
                    + "(paths are relative to the working directory)")
        }
        return Failure(.inputOutput, "\(path): can't be opened: \(String(cString: strerror(code)))")
    }

    private static func readFailure(_ path: String) -> Failure {
        Failure(.inputOutput, "\(path): can't be read: \(String(cString: strerror(errno)))")
    }

    // MARK: - Reading

    /// The most bytes that the content can have: deflate packs at most 1032 bytes into one.
    var largestContent: Int {
        let (product, overflows) = byteCount.multipliedReportingOverflow(by: isCompressed ? 1032 : 1)
        return overflows ? Int.max : product
    }

    /// Fills `buffer` with the next bytes of the content; fewer only at its end. The end of gzip content is where its
    /// check sum has been found right.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if let inflater { return try inflater.read(into: buffer, refill: readRaw) }
        var filled = 0
        while filled < buffer.count {
            let count = try readRaw(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// The next `count` bytes; fewer only at the end.
    func readBytes(_ count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = try read(into: UnsafeMutableRawBufferPointer(buffer))
        }
    }

    /// How far a gzip file may unpack, from so many bytes of content on: a table in which one cell in a hundred isn't 0
    /// comes to 50 times its packed size, a file that is made to fill the memory to 1000 times.
    private static let mostPacking = 200, mostPackedText = 64 << 20

    /// The whole content, which has to be text. 71 where it takes more memory than there is, however small its file:
    /// nothing says beforehand how much gzip holds.
    ///
    /// - Parameter expected: what a message calls such files.
    func readText(expected: String = "CSV") throws -> [UInt8] {
        // What is no text is refused before the rest is read.
        let beginning = try readBytes(min(4096, largestContent))
        try CSVScanner.requireText(beginning, path: path, expected: expected)
        guard isCompressed else {
            try requireMemory(forText: byteCount)
            let content = try rest(after: beginning, count: byteCount)
            guard content.count == byteCount else {
                throw Failure(
                    .inputOutput,
                    "\(path): it shrank while it was read, from \(byteCount) to \(content.count) bytes; try again when it is complete"
                )
            }
            return content
        }
        // The last four bytes of a gzip file are the length of its last member, which is mostly the only one: with that
        // the content is moved never or once.
        let most = byteCount.multipliedReportingOverflow(by: Self.mostPacking)
        let promised = min(try lastMemberByteCount(), most.overflow ? Int.max : max(most.partialValue, 1 << 20))
        try requireMemory(forText: promised)
        var content = beginning
        content.reserveCapacity(promised)
        while true {
            let chunk = try readBytes(1 << 20)
            // What is held already is no longer free.
            if content.count & (16 << 20 - 1) < chunk.count { try requireMemory(forText: max(content.count, 16 << 20)) }
            guard content.count <= Self.mostPackedText || content.count / Self.mostPacking <= byteCount else {
                throw Failure(
                    .badData,
                    "\(path): its \(byteCount) bytes unpack to more than \(Self.mostPacking) times as "
                        + "many, as no table's do; unpack it first (gunzip) if it is meant to be one")
            }
            content += chunk
            if chunk.count < 1 << 20 { return content }
        }
    }

    /// `beginning` and what follows, up to `count` bytes in all.
    private func rest(after beginning: [UInt8], count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: max(count, beginning.count)) { buffer, initialized in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            bytes.copyBytes(from: beginning)
            initialized = beginning.count
            initialized += try read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[beginning.count...]))
        }
    }

    private func lastMemberByteCount() throws -> Int {
        var bytes: [UInt8] = [0, 0, 0, 0]
        guard byteCount >= 18, pread(descriptor, &bytes, 4, byteCount - 4) == 4 else { return 0 }
        return bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    /// Refuses text that takes more than half of the free memory: the numbers that are read from it need room as well.
    private func requireMemory(forText count: Int) throws {
        // The system isn't asked for what any machine has.
        guard count >= 16 << 20, let free = SystemMemory.availableByteCount(), count > free / 2 else { return }
        let packed = isCompressed ? " (\(byteCount) bytes compressed)" : ""
        throw Failure(
            .systemRefused,
            "\(path): it holds \(count >> 20) MiB of text or more\(packed), which is more than half of the "
                + "free memory (\(free >> 21) MiB); use a part of the table, or more memory")
    }

    /// The whole file in memory pages; mapped, so that it is read when it is wanted, where its file system can.
    ///
    /// - Parameter readsAhead: whether the system begins to read all of it at once.
    func map(readsAhead: Bool = true) throws -> ByteRegion {
        if let region = try ByteRegion(mapping: descriptor, count: byteCount, name: path, readsAhead: readsAhead) {
            return region
        }
        return try ByteRegion(count: byteCount, name: path) { buffer in
            var filled = 0
            while filled < buffer.count {
                let count = pread(
                    descriptor, buffer.baseAddress.map { $0 + filled }, min(buffer.count - filled, 1 << 30), filled)
                guard count > 0 else {
                    if count < 0, errno == EINTR { continue }
                    throw count < 0
                        ? Self.readFailure(path)
                        : Failure(
                            .inputOutput,
                            "\(path): it shrank while it was read, to \(filled) bytes; try again when it is complete")
                }
                filled += count
            }
        }
    }

    /// Some bytes of the file as it is; none at its end.
    private func readRaw(_ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            // Linux moves at most 2 GiB per call.
            let count = Foundation.read(descriptor, buffer.baseAddress, min(buffer.count, 1 << 30))
            if count >= 0 { return count }
            guard errno == EINTR else { throw Self.readFailure(path) }
        }
    }
}
