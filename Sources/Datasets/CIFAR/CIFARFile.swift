import Diagnostics
import Storage

/// Which of the two sets (https://www.cs.toronto.edu/~kriz/cifar.html), as their binary versions are written.
enum CIFARSet: Sendable {
    case ten
    /// Of a hundred classes; `coarse` takes the twenty that they belong to.
    case hundred(coarse: Bool)

    static let pixelCount = 3072
    static let shape = Shape([3, 32, 32])

    /// Labels in front of the pixels: the class, or the coarse one and then the fine one.
    var labelCount: Int { if case .ten = self { 1 } else { 2 } }
    var recordByteCount: Int { labelCount + Self.pixelCount }

    var classCount: Int {
        switch self {
        case .ten: 10
        case .hundred(let coarse): coarse ? 20 : 100
        }
    }

    /// Where in a record the class stands.
    var labelPlace: Int { if case .hundred(coarse: false) = self { 1 } else { 0 } }

    var trainingFiles: [String] { if case .ten = self { (1...5).map { "data_batch_\($0).bin" } } else { ["train.bin"] } }
    var testFile: String { if case .ten = self { "test_batch.bin" } else { "test.bin" } }

    /// The file beside the data that names the classes, a line each.
    var namesFile: String {
        switch self {
        case .ten: "batches.meta.txt"
        case .hundred(let coarse): coarse ? "coarse_label_names.txt" : "fine_label_names.txt"
        }
    }

    /// What a message calls it.
    var name: String { if case .ten = self { "CIFAR-10" } else { "CIFAR-100" } }

    /// Whether the label bytes of a record are possible ones.
    func areLabels(_ labels: UnsafeRawBufferPointer) -> Bool {
        if case .ten = self { labels[0] < 10 } else { labels[0] < 20 && labels[1] < 100 }
    }
}

/// The samples of files of CIFAR, one file behind the other: bytes, red, green and blue plane by plane.
struct CIFARSamples: EncodedFile {
    let path: String
    let shape = CIFARSet.shape
    let samples: EncodedSamples
    let labels: [Int32]

    init(paths: [String], _ set: CIFARSet) throws {
        let record = set.recordByteCount
        let files = try paths.map { path in
            let file = try SourceFile(path: path)
            guard !file.isCompressed else {
                throw Failure(.badData, "\(path): compressed; unpack it (gunzip, tar -x) to the *.bin files of \(set.name)")
            }
            guard file.byteCount > 0, file.byteCount % record == 0 else {
                throw Failure(
                    .badData,
                    "\(path): \(file.byteCount) bytes; expected a multiple of \(record), the bytes of an image of \(set.name)'s "
                        + "binary version: fetch the file again")
            }
            return file
        }
        path = paths[0]
        let count = files.reduce(0) { $0 + $1.byteCount / record }
        guard count <= Int(Int32.max) else { throw Failure(.badData, "\(path): more than \(Int32.max) images") }
        try requireMemory(count * CIFARSet.pixelCount, path)
        var labels: [Int32] = []
        labels.reserveCapacity(count)
        let region = try ByteRegion(count: count * CIFARSet.pixelCount, name: path) { target in
            for file in files {
                let content = try file.map()
                for place in 0..<content.count / record {
                    let bytes = UnsafeRawBufferPointer(start: content.base + place * record, count: record)
                    guard set.areLabels(bytes) else {
                        throw Failure(
                            .badData,
                            "\(file.path): image \(place): a label that \(set.name) doesn't have "
                                + "(\(bytes[..<set.labelCount].map(String.init).joined(separator: ", "))); is it the right file?"
                        )
                    }
                    let start = labels.count * CIFARSet.pixelCount
                    UnsafeMutableRawBufferPointer(rebasing: target[start..<start + CIFARSet.pixelCount])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[set.labelCount...]))
                    labels.append(Int32(bytes[set.labelPlace]))
                }
            }
        }
        self.labels = labels
        samples = EncodedSamples(region: region, offset: 0, type: .unsigned8, width: CIFARSet.pixelCount, count: count)
    }

    /// Whether a file can be one of the set: of the length of records, all of whose labels are possible ones.
    static func recognizes(_ path: String, _ set: CIFARSet) throws -> Bool {
        let file = try SourceFile(path: path)
        let record = set.recordByteCount
        guard !file.isCompressed, file.byteCount > 0, file.byteCount % record == 0 else { return false }
        let content = try file.map()
        return (0..<content.count / record).allSatisfy {
            set.areLabels(UnsafeRawBufferPointer(start: content.base + $0 * record, count: record))
        }
    }
}
