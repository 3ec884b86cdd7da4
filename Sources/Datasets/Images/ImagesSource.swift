import Diagnostics
import Settings
import Storage

/// `format: images`: a folder of images for each class, PNG or JPEG.
///
///     data:
///       format: images
///       train: {path: FOLDER}          # with a folder for each class
///       validation: {path: FOLDER}     # the same classes, or some of them
///       channels: 3                    # or 1
///       size: [64, 64]                 # height and width to scale to; default: all images are of one size
///       crop: false                    # keep proportions, scale the shorter side, cut the longer one
///       exif_orientation: false        # turn images as their camera says
///       damaged: error                 # or skip: leave such files out, with a count
struct ImagesSource: DataFormat {
    static let kind = "images"

    private let train: String
    private let validation: String?
    private let usesInputs: Bool
    private let form: ImageSamples.Form

    init(_ settings: Settings, usesInputs: Bool) throws {
        train = try DataConfiguration.section(settings, "train").string("path")
        validation = try settings.optionalSection("validation").map { try $0.string("path") }
        self.usesInputs = usesInputs
        let channels = try settings.int("channels", default: 3, in: 1...3)
        guard channels != 2 else { throw settings.failure("channels", "expected 1 (grey) or 3 (red, green, blue), found 2") }
        let size = settings.has("size") ? try settings.ints("size", in: 1...1 << 16) : nil
        if let size, size.count != 2 {
            throw settings.failure(
                "size",
                "expected height and width, as in [64, 64], found \(size.count) number"
                    + (size.count == 1 ? "" : "s"))
        }
        let crops = try settings.bool("crop", default: false)
        guard size != nil || !crops else {
            throw settings.failure("crop", "images are cut to a size; set size: [height, width]")
        }
        form = ImageSamples.Form(
            channels: channels, size: size.map { ($0[0], $0[1]) },
            schema: ImageSchema(
                resizes: size != nil, crops: crops,
                followsOrientation: try settings.bool("exif_orientation", default: false)),
            skipsDamaged: try settings.choice("damaged", of: ["error", "skip"], default: "error") == "skip")
    }

    func check(_ data: DataConfiguration, _ settings: Settings) throws {
        guard data.rule.wantsClasses != false || usesInputs else {
            throw settings.failure("target_kind", "the folders of images are classes; expected class or input, found value")
        }
    }

    func load(_ data: DataConfiguration, _ rule: TargetRule, stored: Preprocessing?) throws -> DataSplits {
        let rule = stored.map(TargetRule.init) ?? rule
        let folder =
            try usesInputs && !ImageFolder.hasClasses(train)
            ? ImageFolder(imagesIn: train)
            : ImageFolder(classesIn: train, known: rule.classNames, mayLack: usesInputs)
        let names = folder.classes
        if !usesInputs {
            if let count = rule.classCount, count != names.count {
                throw Failure(
                    .badData,
                    "\(train): \(names.count) folders of classes (\(CSVTable.list(names))), but data.classes says \(count)")
            }
            if stored == nil { try TargetRule.requireTwoClasses(names.count, name: names[0], place: train) }
        }
        let samples = try ImageSamples(folder, form)
        let coded =
            usesInputs
            ? CodedLabels(targets: nil, kind: .inputs(count: samples.shape.count), notes: samples.notes)
            : CodedLabels(
                targets: .classes(samples.labels), kind: .classes(count: names.count), notes: samples.notes,
                names: Self.names(names))
        var splits = try data.splits(
            samples.samples, inputShape: samples.shape, coded,
            rows: try data.split(count: samples.samples.count, name: train), stored, fallback: .none, name: train,
            images: form.schema)
        guard let validation else { return splits }
        let reading = try splits.preprocessing.images(
            in: validation, isLabelled: true, form.schema, skipsDamaged: form.skipsDamaged)
        splits.validation = reading.dataset
        splits.notes += reading.notes
        return splits
    }

    /// Names that only count the classes are none.
    private static func names(_ names: [String]) -> [String]? {
        names.enumerated().allSatisfy { $1 == String($0) } ? nil : names
    }

    static func recognizes(_ path: String, for preprocessing: Preprocessing) throws -> Bool {
        guard preprocessing.imageForm != nil else { return false }
        return try ImageFolder.isFolder(path) || ImageFile.recognizes(path)
    }

    static func read(_ new: NewSamples, for preprocessing: Preprocessing) throws -> Preprocessing.Reading {
        guard new.targets == nil else {
            throw Failure(
                .badConfiguration, "\(new.path): the folders of images are their classes; leave out --targets")
        }
        return try preprocessing.images(
            in: new.path, isLabelled: new.isLabelled, preprocessing.images ?? .plain, skipsDamaged: false)
    }
}

extension ImageSchema {
    /// Of networks that were trained on other files: images have to be of the size.
    fileprivate static let plain = ImageSchema(resizes: false, crops: false, followsOrientation: false)
}

extension ImageFile {
    /// Whether the content of a file begins like an image.
    fileprivate static func recognizes(_ path: String) throws -> Bool {
        guard NPZFile.split(path).name == nil else { return false }
        return isMagic(try SourceFile(path: path).readBytes(pngMagic.count))
    }
}

extension Preprocessing {
    /// What images become for this network; nil where its samples are no images.
    fileprivate var imageForm: (channels: Int, height: Int, width: Int)? {
        guard table == nil, takesArrays else { return nil }
        switch inputDimensions.count {
        case 2: return (1, inputDimensions[0], inputDimensions[1])
        case 3 where [1, 3].contains(inputDimensions[0]): return (inputDimensions[0], inputDimensions[1], inputDimensions[2])
        default: return nil
        }
    }

    /// The images in a folder, or the one in a file, as samples of this network.
    fileprivate func images(
        in path: String, isLabelled: Bool, _ schema: ImageSchema, skipsDamaged: Bool
    ) throws -> Reading {
        guard let form = imageForm else { preconditionFailure("samples of \(inputShape) are no images") }
        let hasTargets = isLabelled && !targetKind.areInputs
        let hasClasses = try hasTargets || ImageFolder.hasClasses(path)
        let folder: ImageFolder
        if hasClasses {
            guard case .classes(let count) = targetKind else {
                guard !hasTargets else {
                    throw Failure(.badData, "\(path): the folders of images are classes; expected \(targetKind)")
                }
                folder = try ImageFolder(classesIn: path, known: nil, mayLack: true)
                return try reading(folder, form, schema, skipsDamaged: skipsDamaged, hasTargets: false)
            }
            // Without targets the folders may be called anything.
            let known = hasTargets ? classNames ?? (0..<count).map(String.init) : nil
            folder = try ImageFolder(classesIn: path, known: known, mayLack: true)
        } else {
            folder = try ImageFolder(imagesIn: path)
        }
        return try reading(folder, form, schema, skipsDamaged: skipsDamaged, hasTargets: hasTargets)
    }

    private func reading(
        _ folder: ImageFolder, _ form: (channels: Int, height: Int, width: Int), _ schema: ImageSchema, skipsDamaged: Bool,
        hasTargets: Bool
    ) throws -> Reading {
        let samples = try ImageSamples(
            folder,
            ImageSamples.Form(
                channels: form.channels, size: (form.height, form.width), schema: schema, skipsDamaged: skipsDamaged))
        return Reading(
            dataset: Dataset(
                inputs: .encoded(samples.samples, Rescaling(normalization, width: inputShape.count)), inputShape: inputShape,
                targets: hasTargets ? .classes(samples.labels) : nil, targetKind: targetKind, classNames: classNames),
            notes: samples.notes)
    }
}
