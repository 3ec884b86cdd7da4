import Checkpointing
import Diagnostics
import Files
import Foundation
import Testing

/// Where tests make their files: in memory if the machine offers that, as thousands of small directories are made.
let scratchDirectory = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : FileManager.default.temporaryDirectory.path

/// Runs `body` with an empty directory that is removed afterwards.
func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = scratchDirectory + "/dtrain-checkpointing-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

/// The failure that `body` throws; the test fails if it throws none.
func failure(sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> Failure? {
    do {
        try body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let failure as Failure {
        return failure
    } catch {
        Issue.record("not a Failure: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}

func write(_ bytes: some Sequence<UInt8>, to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
}

func contents(of path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

/// Names in a directory, hidden ones too.
func names(in directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
}

/// Calls `body` with tensors over these values, one after the other; they live for the call.
func withTensors<Result>(
    _ tensors: [(name: String, shape: [Int], values: [Float])],
    _ body: ([TensorSource]) throws -> Result
) rethrows -> Result {
    func next(_ index: Int, _ sources: [TensorSource]) throws -> Result {
        if index == tensors.count { return try body(sources) }
        return try tensors[index].values.withUnsafeBufferPointer { buffer in
            let source = TensorSource(name: tensors[index].name, shape: tensors[index].shape, values: buffer)
            return try next(index + 1, sources + [source])
        }
    }
    return try next(0, [])
}

/// The weights that a checkpoint of this step holds in these tests.
func weights(_ step: Int) -> [Float] { (0..<60).map { Float(step) + Float($0) / 64 } }

/// Saves the checkpoint of a step.
///
/// - Parameter keepsAverage: whether it has a file `ema.safetensors`, here of the weights once more.
@discardableResult
func save(
    _ step: Int, in store: CheckpointStore, to places: CheckpointPlaces = .numbered,
    keep: Int = 2, keepsAverage: Bool = false
) throws -> SavedCheckpoint {
    try withTensors([("0.weight", [5, 12], weights(step)), ("0.bias", [3], [1, 2, Float(step)])]) { model in
        try withTensors([("0.weight.m", [60], weights(-step))]) { optimizer in
            try store.save(
                step: step, model: model, optimizer: optimizer, average: keepsAverage ? model : nil,
                state: Data("{\"epoch\": \(step)}".utf8),
                to: places, keep: keep)
        }
    }
}

/// Expects that a loaded checkpoint holds exactly what `save` wrote for its step.
func expectWhole(
    _ checkpoint: LoadedCheckpoint, _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let step = checkpoint.step
    #expect(try checkpoint.model.floats("0.weight") == weights(step), comment, sourceLocation: sourceLocation)
    #expect(try checkpoint.model.floats("0.bias") == [1, 2, Float(step)], comment, sourceLocation: sourceLocation)
    #expect(try checkpoint.optimizer.floats("0.weight.m") == weights(-step), comment, sourceLocation: sourceLocation)
    #expect(
        String(decoding: checkpoint.state, as: UTF8.self) == "{\"epoch\": \(step)}", comment,
        sourceLocation: sourceLocation)
}

extension RunLock {
    /// The lock of the directory at a path.
    convenience init(runDirectory path: String, job: JobIdentity, fileSystem: any FileSystem = PosixFileSystem()) throws {
        try self.init(try RunDirectory.open(path, resuming: true, fileSystem: fileSystem), job: job, fileSystem: fileSystem)
    }
}
