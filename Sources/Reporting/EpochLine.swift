/// The line that an epoch, or a validation within one, leaves behind:
///
///     Epoch 3/5  loss 0.1234 accuracy 0.9512 | validation loss 0.1432 accuracy 0.9467 | lr 1.00e-03 45,714 samples/s 0.3 s
struct EpochLine {
    /// `Epoch 3/5`, `Step 1,500/1,875 (epoch 4)`
    var title: String
    /// The same without how far it goes: `Epoch 3`.
    var shortTitle: String
    /// `loss 0.1234`, then the metrics.
    var training: [String] = []
    /// The same of the validation split.
    var validation: [String] = []
    var validationLabel = "validation"
    var learningRate: String?
    var rate: String?
    var time: String?

    /// The line in at most `columns` columns; whole where nobody knows them.
    ///
    /// What can be read elsewhere goes first: learning rate and rate, the training metrics from the last one on, the time,
    /// the validation metrics likewise. The loss of the validation says more than that of the training.
    func text(columns: Int?) -> String {
        guard let columns else { return whole }
        return shorter.map(\.whole).first { $0.count <= columns } ?? String(shortTitle.prefix(max(0, columns)))
    }

    private var whole: String {
        let parts = [
            training.joined(separator: " "),
            validation.isEmpty ? "" : validationLabel + " " + validation.joined(separator: " "),
            [learningRate, rate, time].compactMap { $0 }.joined(separator: " ")
        ]
        return title + "  " + parts.filter { !$0.isEmpty }.joined(separator: " | ")
    }

    /// The line itself, and what becomes of it, longest first.
    private var shorter: [EpochLine] {
        var line = self
        var lines = [self]
        func then(_ change: (inout EpochLine) -> Void) {
            change(&line)
            lines.append(line)
        }
        then { $0.learningRate = nil }
        then { $0.rate = nil }
        while line.training.count > 1 { then { $0.training.removeLast() } }
        then { $0.time = nil }
        while line.validation.count > 1 { then { $0.validation.removeLast() } }
        guard !validation.isEmpty else {
            then { $0.title = shortTitle }
            return lines
        }
        let loss = line.training
        then { $0.training = [] }
        then { $0.title = shortTitle }
        then { $0.validationLabel = "val" }
        guard !loss.isEmpty else { return lines }
        then { ($0.training, $0.validation) = (loss, []) }
        return lines
    }
}
