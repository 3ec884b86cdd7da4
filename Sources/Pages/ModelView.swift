import Diagnostics
import Training

/// What a run's newest checkpoint is, and what it does with the data where those can be read.
package struct ModelView: Sendable {
    /// Its path, and what it is.
    package let checkpoint: String
    package let step: Int
    package let build: String
    package let digest: String
    package let layers: (rows: [[String]], notes: [String])?
    package let findings: SampleFindings?
    /// Why something of this is missing; nil where nothing is.
    package let problem: String?

    static let layerHeader = LayerTable.header

    /// How many samples are shown that the network gets wrong.
    private static let worstCount = 24

    /// Never throws: what can't be had is told on the page.
    ///
    /// - Parameters:
    ///   - readsData: whether the samples of the run's validation split are looked at.
    ///   - catalogue: what the run's configuration can name.
    package init(run: String, overrides: [String], readsData: Bool, catalogue: Catalogue = .standard) {
        do {
            let model = try TrainedModel(path: run, overrides: overrides, catalogue: catalogue)
            checkpoint = model.checkpoint.path
            step = model.state.step
            build = model.state.build
            digest = model.checkpoint.digest
            let table = LayerTable(model.network, microBatchSize: model.configuration.training.microBatchSize)
            layers = (table.rows, table.notes)
            do {
                findings = try readsData ? model.findings(worst: Self.worstCount) : nil
                problem = nil
            } catch {
                findings = nil
                problem = "what the network does with the data isn't shown: \(error)"
            }
        } catch {
            (checkpoint, step, build, digest, layers, findings) = ("", 0, "", "", nil, nil)
            problem = "the network isn't shown: \(error)"
        }
    }
}
