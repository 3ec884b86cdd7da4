import Diagnostics
import Files

extension DataSketch {
    /// What inputs and the targets that belong to them are called, the likeliest pair first.
    private static let pairs = [
        ("images", "labels"), ("idx3", "idx1"), ("inputs", "targets"), ("x_", "y_"), ("X_", "y_"), ("x.", "y."), ("X.", "y."),
        ("data", "labels"), ("data", "targets")
    ]

    /// The file of targets that belongs to a file of inputs by its name; nil where none is there.
    private static func answers(to path: String) throws -> String? {
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let folder = String(path[..<slash])
        let name = String(path[slash...])
        var candidates = pairs.map { name.replacing($0.0, with: $0.1) }
        candidates.append(name.replacing("images", with: "labels").replacing("idx3", with: "idx1"))
        for candidate in candidates where candidate != name {
            if try ByteFolder.status(BytePath(folder + candidate)) != nil { return folder + candidate }
        }
        return nil
    }

    /// Files of inputs and targets, and others like them to validate on.
    private static func paired(
        _ path: String, _ wishes: Wishes, format: String, shape: [Int]
    ) throws -> DataSketch {
        try refuseTarget(wishes, path, because: "its targets are a file of their own (--targets FILE)")
        guard let targets = try wishes.targets ?? answers(to: path) else {
            throw Failure(
                .usage, "\(path): inputs without targets; name the file of targets that belongs to them: --targets FILE")
        }
        var sketch = DataSketch(
            .arrays,
            ["format: \(format)", "train: {inputs: \(yamlText(path)), targets: \(yamlText(targets))}"])
        if wishes.targets == nil { sketch.notes.append("\(path): its targets are taken from \(targets)") }
        if let inputs = try sibling(of: path), let answers = try sibling(of: targets) {
            sketch.lines.append("validation: {inputs: \(yamlText(inputs)), targets: \(yamlText(answers))}")
            sketch.notes.append("\(path): validated on \(inputs)")
            sketch.hasValidation = true
        }
        if format == "npy", hasChannelsLast(shape) { sketch.lines.append("channels_last: true\t# \(shape)") }
        sketch.decide(wishes)
        return sketch
    }

    /// Says what the targets are, where a person has.
    mutating func decide(_ wishes: Wishes) {
        wantsClasses = wishes.wantsClasses
        if let wanted = wishes.wantsClasses { lines.append("target_kind: \(wanted ? "class" : "value")") }
    }

    static func arrays(idx path: String, _ wishes: Wishes) throws -> DataSketch {
        let file = try IDXFile(path: path)
        guard !file.shape.dimensions.isEmpty else { throw onlyNumbers(path) }
        return try paired(path, wishes, format: "idx", shape: file.shape.dimensions)
    }

    static func arrays(npy path: String, _ wishes: Wishes) throws -> DataSketch {
        let array = try NPYArray(path: path)
        guard !array.shape.dimensions.isEmpty else { throw onlyNumbers(path) }
        return try paired(path, wishes, format: "npy", shape: array.shape.dimensions)
    }

    private static func onlyNumbers(_ path: String) -> Failure {
        Failure(.badData, "\(path): one number for each sample, which looks like targets; name the file of inputs")
    }

    /// Whether images end in their channels.
    private static func hasChannelsLast(_ shape: [Int]) -> Bool {
        shape.count == 3 && [1, 3].contains(shape[2]) && ![1, 3].contains(shape[0])
    }

    /// An archive of arrays by their names.
    static func archive(_ path: String, _ wishes: Wishes) throws -> DataSketch {
        try refuseTarget(wishes, path, because: "an archive of arrays")
        guard wishes.targets == nil else {
            throw Failure(.usage, "--targets: the targets of \(path) are an array in it; leave it out")
        }
        let file = try NPZFile(path: path)
        func pair(_ inputs: [String], _ targets: [String]) -> (inputs: String, targets: String)? {
            guard let input = inputs.first(where: file.names.contains), let target = targets.first(where: file.names.contains)
            else { return nil }
            return (input, target)
        }
        guard
            let train = pair(
                ["x_train", "X_train", "train_images", "x", "X", "inputs", "data", "images", "arr_0"],
                ["y_train", "train_labels", "y", "Y", "targets", "labels", "target", "label", "arr_1"])
        else {
            throw Failure(
                .badData,
                "\(path): it has the arrays \(CSVTable.list(file.names)); expected inputs and targets called x_train and y_train, x and "
                    + "y, or inputs and targets")
        }
        var sketch = DataSketch(
            .arrays,
            [
                "format: npz", "path: \(yamlText(path))",
                "train: {inputs: \(yamlText(train.inputs)), targets: \(yamlText(train.targets))}"
            ])
        if let held = pair(
            ["x_val", "X_val", "val_images", "x_test", "X_test", "test_images"],
            ["y_val", "val_labels", "y_test", "test_labels"])
        {
            sketch.lines.append("validation: {inputs: \(yamlText(held.inputs)), targets: \(yamlText(held.targets))}")
            sketch.notes.append("\(path): validated on \(held.inputs)")
            sketch.hasValidation = true
        }
        let shape = try file.array(train.inputs).shape.dimensions
        if hasChannelsLast(shape) { sketch.lines.append("channels_last: true\t# \(shape)") }
        sketch.decide(wishes)
        return sketch
    }

    // MARK: - Images

    /// The longer side that images get which are larger, pixels: what a small network learns from in minutes.
    private static let longestSide = 64

    /// A folder of classes, or one of a folder for training and others beside it.
    static func images(_ path: String, _ wishes: Wishes) throws -> DataSketch {
        try refuseTarget(wishes, path, because: "the folders of images are its classes")
        guard wishes.targets == nil, wishes.wantsClasses != false else {
            throw Failure(.usage, "\(path): the folders of images are its classes; leave out --targets and --task regression")
        }
        let prefix = path.hasSuffix("/") ? path : path + "/"
        var train = path
        for name in ["train", "training"] {
            if try ImageFolder.hasClasses(prefix + name) { train = prefix + name }
        }
        let folder = try ImageFolder(classesIn: train, known: nil, mayLack: false)
        var sizes: [[Int]: Int] = [:]
        var isGrey = true
        // Of a million images a part tells; they lie class by class, so that every so many are looked at.
        let stride = max(1, folder.images.count / 2000)
        for index in Swift.stride(from: 0, to: folder.images.count, by: stride) {
            let file = folder.images[index].path
            do {
                let image = try ImageFile(
                    ByteFolder.content(of: file, largest: ImageFile.mostBytes), followsOrientation: false)
                sizes[[image.height, image.width], default: 0] += 1
                isGrey = isGrey && image.isGrey
            } catch let damage as ImageDamage {
                throw Failure(.badData, "\(file): \(damage.reason)")
            }
        }
        var sketch = DataSketch(.images, ["format: images", "train: {path: \(yamlText(train))}"])
        if train != path {
            for name in heldBack where try ImageFolder.hasClasses(prefix + name) {
                sketch.lines.append("validation: {path: \(yamlText(prefix + name))}")
                sketch.notes.append("\(path): trained on \(train), validated on \(prefix + name)")
                sketch.hasValidation = true
                break
            }
        }
        sketch.lines.append(
            isGrey ? "channels: 1\t# all are grey" : "channels: 3\t# red, green, blue")
        let heights = sizes.flatMap { Array(repeating: $0.key[0], count: $0.value) }.sorted()
        let widths = sizes.flatMap { Array(repeating: $0.key[1], count: $0.value) }.sorted()
        let (height, width) = (heights[heights.count / 2], widths[widths.count / 2])
        let longest = max(height, width)
        if sizes.count > 1 || longest > longestSide {
            let scale = min(1, Double(longestSide) / Double(longest))
            func scaled(_ side: Int) -> Int { max(8, Int((Double(side) * scale).rounded())) }
            sketch.lines.append(
                "size: [\(scaled(height)), \(scaled(width))]\t# scaled to this height and width; larger tells more and takes longer"
            )
            sketch.lines.append("crop: true\t# cut at the longer side, so that proportions stay")
            sketch.notes.append(
                "\(train): images of \(heights[0])×\(widths[0]) to \(heights[heights.count - 1])×\(widths[widths.count - 1]) pixels (height × "
                    + "width) are scaled to \(scaled(height))×\(scaled(width))")
        }
        return sketch
    }
}
