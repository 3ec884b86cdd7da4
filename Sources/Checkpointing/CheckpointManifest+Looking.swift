import Files
import Foundation

extension CheckpointStore {
    /// The trainer's state in the best checkpoint, or the newest numbered one without it, as JSON; nil where there is none that can be
    /// read. For a look: nothing is verified against its sum.
    package static func stateForALook(in run: Directory) -> Data? {
        guard let checkpoints = try? run.directory(RunDirectory.checkpoints, orFailWith: .inputOutput) else { return nil }
        let names = (try? checkpoints.names()) ?? []
        let newest = names.compactMap(CheckpointNames.step(in:)).max().map(CheckpointNames.numbered)
        for name in [CheckpointNames.best, newest].compactMap({ $0 }) {
            guard let folder = try? checkpoints.directory(name, orFailWith: .inputOutput),
                let file = try? InputFile(folder.at(CheckpointManifest.fileName), fileSystem: folder.fileSystem),
                file.byteCount <= CheckpointManifest.largestFile, let bytes = try? file.bytes(at: 0, count: file.byteCount)
            else { continue }
            return Data(bytes)
        }
        return nil
    }
}
