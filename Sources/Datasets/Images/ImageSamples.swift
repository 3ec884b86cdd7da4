import Diagnostics
import Files
import Storage

/// Images that are decoded once, as bytes, channel by channel: samples of [channels, height, width].
struct ImageSamples: EncodedFile {
    /// How images are read.
    struct Form {
        let channels: Int
        /// The size of a sample; nil for that of the first image, which all others then have to have.
        let size: (height: Int, width: Int)?
        let schema: ImageSchema
        /// Whether damaged files are left out.
        let skipsDamaged: Bool
    }

    let path: String
    let shape: Shape
    let samples: EncodedSamples
    /// The classes of the samples, as the folder counts them.
    let labels: [Int32]
    /// What people should know of what was left out.
    let notes: [String]

    init(_ folder: ImageFolder, _ form: Form) throws {
        path = folder.path
        var damaged: [(path: BytePath, reason: String)] = []
        var labels: [Int32] = []
        // The first image that can be read tells the size.
        var size = form.size
        var first: BytePath?
        for image in folder.images where size == nil {
            do {
                let file = try Self.open(image.path, form)
                (size, first) = ((file.height, file.width), image.path)
            } catch let damage as ImageDamage {
                guard form.skipsDamaged else { throw Self.failure(image.path, damage) }
            }
        }
        guard let size else { throw Self.nothingLeft(folder) }
        let width = form.channels * size.height * size.width
        let (byteCount, overflows) = width.multipliedReportingOverflow(by: folder.images.count)
        guard !overflows else { throw Failure(.systemRefused, "\(path): the images take more memory than there is") }
        try requireMemory(byteCount, path)
        let region = try ByteRegion(count: byteCount, name: path) { target in
            for image in folder.images {
                do {
                    let sample = UnsafeMutableRawBufferPointer(
                        rebasing: target[labels.count * width..<(labels.count + 1) * width])
                    try Self.decode(image.path, form, size, first: first, folder: folder.path).writeChannels(to: sample)
                    labels.append(image.label)
                } catch let damage as ImageDamage {
                    guard form.skipsDamaged else { throw Self.failure(image.path, damage) }
                    damaged.append((image.path, damage.reason))
                }
            }
        }
        guard !labels.isEmpty else { throw Self.nothingLeft(folder) }
        shape = Shape([form.channels, size.height, size.width])
        samples = EncodedSamples(region: region, offset: 0, type: .unsigned8, width: width, count: labels.count)
        self.labels = labels
        notes = folder.notes + Self.note(damaged, folder.path)
    }

    private static func open(_ path: BytePath, _ form: Form) throws -> ImageFile {
        try ImageFile(
            try ByteFolder.content(of: path, largest: ImageFile.mostBytes), followsOrientation: form.schema.followsOrientation)
    }

    private static func decode(
        _ path: BytePath, _ form: Form, _ size: (height: Int, width: Int), first: BytePath?, folder: String
    ) throws -> PixelImage {
        let file = try open(path, form)
        let fits = file.height == size.height && file.width == size.width
        guard fits || form.schema.resizes else {
            let why = first.map { " as \($0) has" } ?? ", as the others have"
            throw Failure(
                .badData,
                "\(path): \(file.width)×\(file.height) pixels; expected \(size.width)×\(size.height)\(why): set data.size: "
                    + "[height, width] to scale all images to one size")
        }
        let image = try file.decoded(channels: form.channels, path: path.description)
        if fits { return image }
        guard form.schema.crops else { return image.resized(height: size.height, width: size.width) }
        return image.covering(height: size.height, width: size.width)
    }

    private static func failure(_ path: BytePath, _ damage: ImageDamage) -> Failure {
        Failure(.badData, "\(path): \(damage.reason); replace it, or set data.damaged: skip to leave such files out")
    }

    private static func nothingLeft(_ folder: ImageFolder) -> Failure {
        Failure(.badData, "\(folder.path): none of its \(folder.images.count) images can be read")
    }

    private static func note(_ damaged: [(path: BytePath, reason: String)], _ folder: String) -> [String] {
        guard let first = damaged.first else { return [] }
        return [
            "\(folder): \(damaged.count) image\(damaged.count == 1 ? "" : "s") that can't be read left out "
                + "(\(first.path): \(first.reason)\(damaged.count > 1 ? "; and others" : ""))"
        ]
    }
}
