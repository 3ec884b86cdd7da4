import Diagnostics
import Kernels
import Settings
import Storage

/// Multi-head self-attention over the steps of a sequence (Vaswani et al., NeurIPS 2017): with q, k and v = x·Wᵀ + b, cut into heads
/// of width/heads numbers, y = concat(softmax(q·kᵀ/√d)·v)·W_oᵀ + b_o, as `torch.nn.MultiheadAttention(batch_first=True)` of one
/// input. Shapes: x and y [steps, width].
///
/// `causal: true`: no step sees a later one. Where samples have lengths, steps behind a sample's end are seen by nobody, and the
/// attention of a step that sees nobody is zeros, with zero gradients. `dropout` falls on the probabilities.
/// `key_value_heads`: fewer heads of keys and values, each for several neighbouring heads of queries (Ainslie et al., EMNLP 2023).
/// `rotary: true`: queries and keys are turned by their positions. Parameters are named as in PyTorch: `in_proj_weight`,
/// `in_proj_bias`, `out_proj.weight`, `out_proj.bias`; with fewer heads of keys and values `q_proj.weight`, `k_proj.weight`,
/// `v_proj.weight` and their biases.
///
/// Kept: q, k and v, the heads' results, two numbers for each step and head; probabilities are made again backward.
package struct MultiHeadAttention: Layer {
    package static let kind = "multi_head_attention"
    package let outputShape: Shape
    let attention: Attention
    let width: Int
    let rotary: RotaryPositions?
    /// Over the whole sequence, where the layer is built for some of its steps, and where keys and values are remembered.
    private let remembered: (attention: Attention, offset: Int)?
    private let dropoutRate: Double
    private let stream: RandomStream
    /// From x to columns of q, k and v.
    let inputs: [(columns: Range<Int>, projection: Projection)]
    let output: Projection

    package init(options: Settings, site: inout LayerSite) throws {
        try self.init(options, &site, dropout: try options.double("dropout", default: 0, in: .fraction))
    }

    /// - Parameter dropout: of the probabilities.
    init(_ options: Settings, _ site: inout LayerSite, dropout: Double) throws {
        guard site.inputShape.dimensions.count == 2, site.inputShape.count > 0 else {
            throw options.failure(
                "multi_head_attention takes sequences, [steps, features], but this one gets \(site.inputShape)")
        }
        let steps = site.inputShape.dimensions[0]
        let width = site.inputShape.dimensions[1]
        let heads = try options.int("heads", in: 1...1 << 20)
        guard width % heads == 0 else {
            throw options.failure("heads", "\(heads) heads don't divide the width of \(width); choose a divisor of it")
        }
        let keyHeads = try options.int("key_value_heads", default: heads, in: 1...heads)
        guard heads % keyHeads == 0 else {
            throw options.failure(
                "key_value_heads", "\(heads) heads of queries can't share \(keyHeads) evenly; choose a divisor of \(heads)")
        }
        let isCausal = try options.bool("causal", default: false)
        let hasBias = try options.bool("bias", default: true)
        dropoutRate = dropout
        attention = Attention(positions: steps, heads: heads, keyHeads: keyHeads, width: width / heads, isCausal: isCausal)
        guard dropoutRate == 0 || attention.canDrop else {
            throw options.failure(
                "dropout", "the \(heads) × \(steps) × \(steps) probabilities of a sample are too many to draw for")
        }
        rotary = try RotaryPositions(options, positions: site.context ?? steps, width: width / heads)
        let keyColumns = attention.keyColumns
        remembered = site.context.map {
            (
                Attention(positions: $0, heads: heads, keyHeads: keyHeads, width: width / heads, isCausal: isCausal),
                site.reserveCache(2 * keyColumns)
            )
        }
        stream = RandomStream(seed: site.seed, purpose: .dropout, layer: site.ordinal)
        self.width = width
        outputShape = site.inputShape
        let (queries, keys) = (attention.queryColumns, attention.keyColumns)
        if keyHeads == heads {
            inputs = [
                (
                    0..<3 * width,
                    Projection(&site, "in_proj_weight", bias: hasBias ? "in_proj_bias" : nil, inputs: width, outputs: 3 * width)
                )
            ]
        } else {
            inputs = [("q_proj", 0, queries), ("k_proj", queries, keys), ("v_proj", queries + keys, keys)].map {
                name, first, count in
                (
                    first..<first + count,
                    Projection(
                        &site, "\(name).weight", bias: hasBias ? "\(name).bias" : nil, inputs: width, outputs: count)
                )
            }
        }
        output = Projection(
            &site, "out_proj.weight", bias: hasBias ? "out_proj.bias" : nil, inputs: queries, outputs: width,
            initializer: .uniform(bound: 1 / Double(queries).squareRoot()))
    }

    /// Columns of q, k and v together.
    private var allColumns: Int { attention.queryColumns + 2 * attention.keyColumns }

    // What is kept, per sample: q, k and v; the heads' results; statistics.
    private var resultOffset: Int { attention.positions * allColumns }
    private var statisticsOffset: Int { resultOffset + attention.positions * attention.queryColumns }
    private var keptCount: Int { statisticsOffset + 2 * attention.positions * attention.heads }

    package var memory: LayerMemory {
        let kept = MemoryNeed(perSample: keptCount)
        let parts = inputs.count > 1 ? attention.positions * width : 0
        return LayerMemory(
            kept: kept, evaluation: kept,
            backward: MemoryNeed(perSample: attention.positions * attention.queryColumns + parts))
    }

    package var backwardOperands: BackwardOperands { .input }
    package var isStepwise: Bool { attention.isCausal }

    package func productOperations(withInputGradient: Bool) -> Int {
        // The input's gradient is always made: that of q, k and v goes through it.
        let steps = attention.positions
        let scores = 4 * steps * steps * attention.queryColumns / (attention.isCausal ? 2 : 1)
        return inputs.reduce(0) {
            $0 + $1.projection.operations(positions: steps, withInputGradient: withInputGradient)
        } + output.operations(positions: steps, withInputGradient: true) + 3 * scores
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        let steps = attention.positions
        return inputs.map(\.projection).reduce(
            .larger(
                Workspace.attentionScratch(remembered?.attention ?? attention),
                output.scratch(rows: rows * steps, leafRows: leafRows * steps))
        ) { .larger($0, $1.scratch(rows: rows * steps, leafRows: leafRows * steps)) }
    }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let places = Places(self, memory.kept ?? memory.work, rows: input.rows)
        let rows = input.rows * attention.positions
        let x = input.reshaped(rows: rows, columns: width)
        for (columns, projection) in inputs {
            projection.forward(x, into: places.all[columns: columns], pass)
        }
        let first = pass.cache?.count ?? 0
        rotary?.turn(places.queries, positions: attention.positions, first: first, isBack: false, pass.workspace)
        rotary?.turn(places.keys, positions: attention.positions, first: first, isBack: false, pass.workspace)
        if let cache = pass.cache {
            continueAttention(places, cache, pass)
            return self.output.forward(places.results.readOnly, into: output.reshaped(rows: rows, columns: width), pass)
        }
        var dropout: Attention.Dropout?
        if case .training(let firstDraw) = pass.purpose { dropout = self.dropout(firstDraw: firstDraw) }
        pass.workspace.attend(
            attention, queries: places.queries.readOnly, keys: places.keys.readOnly, values: places.values.readOnly,
            lengths: pass.lengths, dropout: dropout, statistics: places.statistics, into: places.results)
        self.output.forward(places.results.readOnly, into: output.reshaped(rows: rows, columns: width), pass)
    }

    /// Remembers keys and values of these steps, and looks at all so far.
    private func continueAttention(_ places: Places, _ cache: StepCache, _ pass: ForwardPass) {
        guard let (whole, offset) = remembered else { preconditionFailure("a layer of whole samples that goes on with one") }
        let columns = attention.keyColumns
        let keys = cache.matrix(offset: offset, columns: columns)
        let values = cache.matrix(offset: offset + columns, columns: columns)
        let steps = attention.positions
        for sample in 0..<places.keys.rows / steps {
            for step in 0..<steps {
                let row = sample * cache.positions + cache.count + step
                keys[rows: row..<row + 1].copy(
                    from: places.keys[rows: sample * steps + step..<sample * steps + step + 1].readOnly)
                values[rows: row..<row + 1].copy(
                    from: places.values[rows: sample * steps + step..<sample * steps + step + 1].readOnly)
            }
        }
        pass.workspace.attend(
            whole, queries: places.queries.readOnly, keys: keys.readOnly, values: values.readOnly, lengths: nil,
            continued: cache.count..<cache.count + steps, dropout: nil, statistics: places.statistics, into: places.results)
    }

    private func dropout(firstDraw: UInt64) -> Attention.Dropout? {
        dropoutRate > 0 ? Attention.Dropout(rate: dropoutRate, stream: stream, firstDraw: firstDraw) : nil
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        let places = Places(self, memory.left, rows: input.rows)
        let steps = attention.positions
        let rows = input.rows * steps
        let gradient = outputGradient.reshaped(rows: rows, columns: width)
        let inner = memory.work.matrix(rows: input.rows, columns: steps * attention.queryColumns)
            .reshaped(rows: rows, columns: attention.queryColumns)
        self.output.backward(gradient, input: places.results.readOnly, into: inner, positions: steps, pass)
        // The gradients of q, k and v take their places.
        pass.workspace.attendGradient(
            attention, inner.readOnly, queries: places.queries.readOnly, keys: places.keys.readOnly,
            values: places.values.readOnly, lengths: pass.lengths, dropout: pass.firstDraw.flatMap { dropout(firstDraw: $0) },
            statistics: places.statistics.readOnly, output: places.results.readOnly,
            into: places.queries, places.keys, places.values)
        rotary?.turn(places.queries, positions: steps, isBack: true, pass.workspace)
        rotary?.turn(places.keys, positions: steps, isBack: true, pass.workspace)
        let x = input.reshaped(rows: rows, columns: width)
        let target = inputGradient?.reshaped(rows: rows, columns: width)
        for (index, part) in inputs.enumerated() {
            let through =
                index == 0
                ? target
                : target.map { _ in
                    memory.work.matrix(rows: input.rows, columns: steps * width, offset: steps * attention.queryColumns)
                        .reshaped(rows: rows, columns: width)
                }
            part.projection.backward(
                places.all[columns: part.columns].readOnly, input: x, into: through, positions: steps, pass)
            if index > 0, let target, let through {
                pass.workspace.add(target.readOnly, through.readOnly, into: target)
            }
        }
    }

    /// What is kept, as rows of positions.
    private struct Places {
        let all: MutableMatrixView, queries: MutableMatrixView, keys: MutableMatrixView, values: MutableMatrixView
        let results: MutableMatrixView, statistics: MutableMatrixView

        init(_ layer: MultiHeadAttention, _ kept: Scratch, rows: Int) {
            let attention = layer.attention
            let steps = attention.positions
            let (q, k) = (attention.queryColumns, attention.keyColumns)
            all = kept.matrix(rows: rows, columns: steps * layer.allColumns)
                .reshaped(rows: rows * steps, columns: layer.allColumns)
            queries = all[columns: 0..<q]
            keys = all[columns: q..<q + k]
            values = all[columns: q + k..<q + 2 * k]
            results = kept.matrix(rows: rows, columns: steps * q, offset: layer.resultOffset)
                .reshaped(rows: rows * steps, columns: q)
            statistics = kept.matrix(rows: rows, columns: 2 * steps * attention.heads, offset: layer.statisticsOffset)
                .reshaped(rows: rows * steps, columns: 2 * attention.heads)
        }
    }
}
