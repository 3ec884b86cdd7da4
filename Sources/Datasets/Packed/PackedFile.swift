import Diagnostics
import Foundation
import Storage

/// A file of samples as dtrain packs them: one that is mapped, in place of a folder of many.
///
///     8 bytes    "DTRAINP1"
///     8 bytes    length of the description, little-endian
///     …          the description, JSON
///     …          zeros up to a multiple of 4,096 bytes, then the inputs, sample by sample, as `type` says
///     …          targets: Int32 of classes or Float32 of values, little-endian
struct PackedFile: EncodedFile {
    /// What stands in front.
    struct Description: Codable {
        var count: Int
        var dimensions: [Int]
        /// Of `ElementType`.
        var type: UInt8
        var target: TargetKind
        var classNames: [String]?
        var labels: [Int]?
        var images: ImageSchema?
    }

    static let magic = Array("DTRAINP1".utf8)
    static let page = 4096
    private static let mostDescription = 64 << 20

    let path: String
    let description: Description
    let shape: Shape
    let samples: EncodedSamples
    /// Nil where the inputs are the targets.
    let targets: StoredTargets?

    /// Whether the content of a file begins like one.
    static func recognizes(_ path: String) throws -> Bool { try SourceFile(path: path).readBytes(magic.count) == magic }

    /// Maps the file. Every number in it is checked before it is used.
    init(path: String) throws {
        func damaged(_ what: String) -> Failure {
            Failure(.badData, "\(path): \(what); pack it again (dtrain pack)")
        }
        let file = try SourceFile(path: path)
        guard !file.isCompressed, try file.readBytes(Self.magic.count) == Self.magic else {
            throw Failure(.badData, "\(path): not a packed file; expected one that dtrain pack has written")
        }
        let lengthBytes = try file.readBytes(8)
        let length = lengthBytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard lengthBytes.count == 8, length <= UInt64(Self.mostDescription), Int(length) <= file.byteCount else {
            throw damaged("truncated or damaged in its description")
        }
        let text = try file.readBytes(Int(length))
        guard let description = try? JSONDecoder().decode(Description.self, from: Data(text)),
            let type = ElementType(rawValue: description.type), let layout = Layout(description, type, length: Int(length))
        else { throw damaged("its description can't be used") }
        guard file.byteCount == layout.byteCount else {
            throw damaged(
                "\(file.byteCount < layout.byteCount ? "truncated" : "oversized"): expected \(layout.byteCount) bytes, found "
                    + "\(file.byteCount)")
        }
        let region = try file.map()
        self.path = path
        self.description = description
        shape = Shape(description.dimensions)
        samples = EncodedSamples(
            region: region, offset: layout.inputs, type: type, width: shape.count, count: description.count)
        let bytes = UnsafeRawBufferPointer(start: region.base, count: region.count)
        func numbers<Number: BitwiseCopyable>(_: Number.Type) -> [Number] {
            (0..<layout.targetCount).map {
                bytes.loadUnaligned(fromByteOffset: layout.targets + 4 * $0, as: Number.self)
            }
        }
        switch description.target {
        case .classes(let count):
            let classes = numbers(Int32.self)
            guard classes.allSatisfy({ (0..<Int32(count)).contains($0) }) else { throw damaged("a class out of range") }
            targets = .classes(classes)
        case .values:
            let values = numbers(Float.self)
            guard values.allSatisfy(\.isFinite) else { throw damaged("a target that isn't finite") }
            targets = .values(values)
        default: targets = nil
        }
    }

    /// Where inputs and targets lie.
    struct Layout {
        let inputs: Int
        let targets: Int
        let targetCount: Int
        var byteCount: Int { targets + 4 * targetCount }

        /// Nil for a description that makes no sense.
        init?(_ description: Description, _ type: ElementType, length: Int) {
            var width = type.byteCount
            for dimension in description.dimensions + [description.count] {
                let product = width.multipliedReportingOverflow(by: dimension)
                guard dimension > 0, !product.overflow, product.partialValue < Int.max / 4 else { return nil }
                width = product.partialValue
            }
            guard description.count <= Int(Int32.max), description.dimensions.count <= 64 else { return nil }
            inputs = (16 + length + PackedFile.page - 1) / PackedFile.page * PackedFile.page
            targets = inputs + width
            switch description.target {
            case .classes(let count):
                let labelsFit = description.labels.map { $0.count == count && zip($0, $0.dropFirst()).allSatisfy(<) } ?? true
                guard count > 0, count <= Int(Int32.max), labelsFit, description.classNames.map({ $0.count == count }) ?? true
                else { return nil }
                targetCount = description.count
            case .values(let each):
                let product = each.multipliedReportingOverflow(by: description.count)
                guard each > 0, !product.overflow, product.partialValue < Int.max / 16 else { return nil }
                targetCount = product.partialValue
            case .inputs(let count):
                guard count == Shape(description.dimensions).count else { return nil }
                targetCount = 0
            case .positions: return nil
            }
        }
    }
}
