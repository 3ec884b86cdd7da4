import Diagnostics
import Files

/// The images in a folder: those in the folders of classes, or those in the folder itself.
///
/// An image is a file whose name ends in .png, .jpg, .jpeg, .jpe or .jfif, in capitals too. Images of formats that aren't
/// read are refused, so that none is lost unseen; so are folders in the folder of a class. Hidden names (`.…`) and all other
/// files are left out and counted.
struct ImageFolder {
    /// An image and the place of its class.
    struct Image {
        let path: BytePath
        let label: Int32
    }

    let path: String
    /// By class and then by name, in the order of bytes. Labels are 0 where there are no classes.
    private(set) var images: [Image] = []
    /// The names of the classes; empty where the images lie in the folder itself.
    private(set) var classes: [String] = []
    /// How many other files there are, and the first of them.
    private(set) var others = (count: 0, first: nil as BytePath?)

    private static let endings = ["png", "jpg", "jpeg", "jpe", "jfif"]
    private static let unread = ["gif", "bmp", "tif", "tiff", "webp", "ppm", "pgm", "pbm", "jp2", "heic", "avif", "tga", "ico"]

    /// Whether a path is a folder.
    static func isFolder(_ path: String) -> Bool { (try? ByteFolder.status(BytePath(path)))??.kind == .directory }

    /// The images of classes.
    ///
    /// - Parameters:
    ///   - known: the classes, in their order; nil for those of the folder, sorted.
    ///   - mayLack: whether classes may be without images.
    init(classesIn path: String, known: [String]?, mayLack: Bool) throws {
        self.path = path
        let (folders, files) = try Self.content(of: BytePath(path), path)
        for name in files {
            guard try !isImage(name, in: BytePath(path)) else {
                throw Failure(
                    .badData,
                    "\(path): the image \(name) lies beside the folders of the classes; move it into one of them (a folder "
                        + "without classes is for data.target_kind: input, and for predict)")
            }
        }
        guard !folders.isEmpty else {
            throw Failure(.badData, "\(path): no folder in it; expected one for each class, with its images")
        }
        let names = try folders.map { name in
            guard let text = name.text else {
                throw Failure(
                    .badData,
                    "\(path): the folder \"\(name)\": its name is the name of a class, but not text in UTF-8; rename it")
            }
            return text
        }
        classes = known ?? names
        let places = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, Int32($0)) })
        for (name, folder) in zip(names, folders) {
            guard let label = places[name] else {
                throw Failure(
                    .badData,
                    "\(path): the folder \"\(shortened(name))\" is not one of the classes"
                        + "\(suggestion(for: name, among: classes)); known: \(CSVTable.list(classes))")
            }
            let count = images.count
            try addImages(of: BytePath(path).appending(folder), label)
            guard mayLack || images.count > count else {
                throw Failure(
                    .badData, "\(path): the class \"\(shortened(name))\" has no image; add some, or remove its folder")
            }
        }
        if let lacking = mayLack ? nil : classes.first(where: { !names.contains($0) }) {
            throw Failure(
                .badData, "\(path): the class \"\(shortened(lacking))\" has no folder; it has \(CSVTable.list(names))")
        }
        guard !images.isEmpty else { throw noImages }
    }

    /// The images in the folder itself, or the one image that the path is.
    init(imagesIn path: String) throws {
        self.path = path
        guard Self.isFolder(path) else {
            images = [Image(path: BytePath(path), label: 0)]
            return
        }
        try addImages(of: BytePath(path), 0)
        guard !images.isEmpty else { throw noImages }
    }

    /// Whether the folder has folders in it rather than images.
    static func hasClasses(_ path: String) throws -> Bool {
        guard isFolder(path) else { return false }
        return try !content(of: BytePath(path), path).folders.isEmpty
    }

    private var noImages: Failure {
        Failure(
            .badData,
            "\(path): no image in it; expected files called *.png, *.jpg or *.jpeg"
                + (others.first.map { ", found \(others.count) other\(others.count == 1 ? "" : "s") (\($0))" } ?? ""))
    }

    /// What people should know of what was left out.
    var notes: [String] {
        guard let first = others.first else { return [] }
        let and = others.count > 1 ? " and others" : ""
        return [
            "\(path): \(others.count) file\(others.count == 1 ? " that is" : "s that are") no image by "
                + "\(others.count == 1 ? "its name was" : "their names were") left out (\(first)\(and))"
        ]
    }

    private mutating func addImages(of folder: BytePath, _ label: Int32) throws {
        let (folders, files) = try Self.content(of: folder, path)
        if let inner = folders.first {
            throw Failure(
                .badData, "\(folder): the folder \"\(inner)\" lies among the images; expected files alone: move its images up")
        }
        for name in files where try isImage(name, in: folder) {
            images.append(Image(path: folder.appending(name), label: label))
        }
        guard images.count <= Int(Int32.max) else {
            throw Failure(.badData, "\(path): more than \(Int32.max) images")
        }
    }

    /// Whether a file is taken for an image; one that isn't is counted.
    private mutating func isImage(_ name: BytePath, in folder: BytePath) throws -> Bool {
        let parts = name.bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let ending = parts.count > 1 ? String(decoding: parts[parts.count - 1], as: UTF8.self).lowercased() : ""
        guard name.bytes.first != UInt8(ascii: "."), !Self.unread.contains(ending) else {
            guard name.bytes.first == UInt8(ascii: ".") else {
                throw Failure(
                    .badData, "\(folder.appending(name)): an image of a format that isn't read; convert it to PNG or JPEG")
            }
            others = (others.count + 1, others.first ?? name)
            return false
        }
        guard Self.endings.contains(ending) else {
            others = (others.count + 1, others.first ?? name)
            return false
        }
        return true
    }

    /// The folders, without hidden ones, and what else there is, both sorted.
    private static func content(of folder: BytePath, _ path: String) throws -> (folders: [BytePath], files: [BytePath]) {
        guard let status = try ByteFolder.status(folder) else {
            throw Failure(.missingInput, "\(folder): no such folder of images (paths are relative to the working directory)")
        }
        guard status.kind == .directory else {
            throw Failure(.badData, "\(folder): \(status.kind); expected a folder with a folder of images for each class")
        }
        var folders: [BytePath] = []
        var files: [BytePath] = []
        for name in try ByteFolder.names(in: folder) {
            if try ByteFolder.status(folder.appending(name))?.kind != .directory {
                files.append(name)
            } else if name.bytes.first != UInt8(ascii: ".") {
                folders.append(name)
            }
        }
        return (folders, files)
    }
}
