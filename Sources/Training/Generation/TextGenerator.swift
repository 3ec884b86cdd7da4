import Datasets
import Diagnostics
import Kernels
import Network
import Storage

/// Lets a trained network continue texts, token by token.
///
/// Where every layer treats steps alike or looks back only (`Layer.isStepwise`), each token costs one step, since keys and values
/// of the steps before, and the states of recurrent layers, are remembered; otherwise the whole window is computed for each token. A window that is full is begun anew with its last
/// half.
package final class TextGenerator {
    /// How the next token is chosen among those that the network foresees.
    package struct Sampling: Sendable {
        /// What logits are divided by; 0 always takes the most probable one.
        package var temperature: Double
        /// How many of the most probable tokens are considered; nil: all.
        package var topK: Int?
        /// Of these, the fewest whose probabilities add up to this; nil: all.
        package var topP: Double?
        package var seed: UInt64

        package init(temperature: Double = 1, topK: Int? = nil, topP: Double? = nil, seed: UInt64 = 0) {
            self.temperature = temperature
            self.topK = topK
            self.topP = topP
            self.seed = seed
        }
    }

    private let model: TrainedModel
    private let workspace = Workspace()
    /// The positions that the network was trained on.
    private let context: Int
    private let kinds: Int
    /// Networks for some steps at once; empty where whole windows are computed.
    private var parts: [Int: Part] = [:]
    private let cache: StepCache?
    /// What recurrent layers know of the steps that `cache` counts; a row, empty where there are none.
    private let states: AlignedBuffer<Float>
    private let stateCount: Int
    /// The tokens of the window.
    private var window: [Int32] = []
    private let logits: AlignedBuffer<Float>

    /// A network for so many steps, with its memory.
    private final class Part {
        let network: Network
        let activations: Activations
        let input: AlignedBuffer<Float>, output: AlignedBuffer<Float>

        init(_ network: Network) {
            self.network = network
            activations = Activations(network.layers, rows: 1, leafRows: 1, training: false)
            input = AlignedBuffer(count: network.inputShape.count, repeating: 0)
            output = AlignedBuffer(count: network.outputShape.count)
        }
    }

    /// - Throws: 78 where the checkpoint's network foresees no tokens, or sees tokens that come later.
    package init(_ model: TrainedModel) throws {
        self.model = model
        guard let text = model.state.preprocessing.text else {
            throw Failure(
                .badConfiguration,
                "\(model.checkpoint.path): the network wasn't trained to foresee tokens (data.format: text or tokens); use predict"
            )
        }
        context = text.context
        kinds = text.kinds
        let isStepwise = model.network.isStepwise
        let single = try isStepwise ? model.network(steps: 1, context: text.context) : nil
        cache = single.map { StepCache(samples: 1, positions: text.context, perPosition: $0.cacheCount) }
        stateCount = single?.stateCount ?? 0
        states = AlignedBuffer(count: stateCount)
        logits = AlignedBuffer(count: kinds)
        workspace.rememberWeights()
        if !isStepwise { try checkCausality() }
    }

    /// Refuses a network whose outputs depend on tokens that come later.
    private func checkCausality() throws {
        guard context > 1 else { return }
        let part = try part(steps: context)
        func outputs(filler: Int) -> [UInt32] {
            for index in 0..<context { part.input[index] = Float(index < context / 2 ? 0 : filler) }
            run(part)
            return (0..<context / 2 * kinds).map { part.output[$0].bitPattern }
        }
        guard kinds < 2 || outputs(filler: 0) == outputs(filler: kinds - 1) else {
            throw Failure(
                .badConfiguration,
                "\(model.checkpoint.path): the network sees tokens that come later, so it can't continue a text; use layers that look back only "
                    + "(causal: true, padding: causal)")
        }
    }

    /// Forgets the text so far.
    package func begin() {
        window = []
        forget()
    }

    /// Begins the window anew.
    private func forget() {
        cache?.clear()
        states.elements.update(repeating: 0)
    }

    /// Adds tokens of a prompt to the text. At least one is there before `next` is asked for.
    package func add(_ tokens: [Int32]) throws {
        guard !tokens.isEmpty else { return }
        window += tokens
        if window.count > context {
            // What has no place is forgotten, and room is left for what comes.
            window.removeFirst(window.count - max(1, context / 2))
            forget()
        }
        guard let cache else { return }
        let rest = window[cache.count...]
        let part = try part(steps: rest.count)
        for (index, token) in rest.enumerated() { part.input[index] = Float(token) }
        run(part)
        cache.advance(by: rest.count)
        take(part, position: rest.count - 1)
    }

    /// The next token, drawn from what the network foresees; it is part of the text from now on.
    ///
    /// - Parameter draw: which of the numbers of the sampling's seed is used.
    package func next(_ sampling: Sampling, draw: UInt64) throws -> Int32 {
        if cache == nil {
            let part = try part(steps: context)
            for index in 0..<context { part.input[index] = Float(index < window.count ? window[index] : 0) }
            run(part)
            take(part, position: window.count - 1)
        }
        let token = Int32(choose(sampling, draw: draw))
        try add([token])
        return token
    }

    private func take(_ part: Part, position: Int) {
        for kind in 0..<kinds { logits[kind] = part.output[position * kinds + kind] }
    }

    private func part(steps: Int) throws -> Part {
        if let part = parts[steps] { return part }
        // Prompts are of all lengths; the one step is what is asked for again and again.
        if parts.count > 4 { parts = parts.filter { $0.key == 1 } }
        let part = Part(cache == nil ? model.network : try model.network(steps: steps, context: context))
        parts[steps] = part
        return part
    }

    private func run(_ part: Part) {
        part.network.layers.forward(
            part.input.matrix(rows: 1, columns: part.input.count).readOnly,
            into: part.output.matrix(rows: 1, columns: part.output.count), using: part.activations,
            in: ForwardPass(
                weights: model.currentWeights, workspace: workspace, purpose: .evaluation, leafRows: 1,
                states: stateCount > 0 ? states.matrix(rows: 1, columns: stateCount) : nil, cache: cache))
    }

    /// Draws a token: from the `topK` most probable ones, of these from the fewest that make `topP`; of equals the first counts as more
    /// probable. All in Double, so that the same seed gives the same text on every machine.
    private func choose(_ sampling: Sampling, draw: UInt64) -> Int {
        let best = (0..<kinds).reduce(0) { logits[$1] > logits[$0] ? $1 : $0 }
        guard sampling.temperature > 0 else { return best }
        let highest = Double(logits[best])
        var order = (0..<kinds).map { (kind: $0, weight: exponential((Double(logits[$0]) - highest) / sampling.temperature)) }
        if sampling.topK != nil || sampling.topP != nil {
            order.sort { ($1.weight, $0.kind) < ($0.weight, $1.kind) }
            if let topK = sampling.topK, topK < order.count { order.removeSubrange(topK...) }
            if let topP = sampling.topP {
                let total = order.reduce(0) { $0 + $1.weight }
                var sum = 0.0
                let last =
                    order.firstIndex {
                        sum += $0.weight; return sum >= topP * total
                    } ?? order.count - 1
                order.removeSubrange((last + 1)...)
            }
        }
        let total = order.reduce(0) { $0 + $1.weight }
        let stream = RandomStream(seed: sampling.seed, purpose: .generation)
        let place = stream.unit(ordinal: draw) * total
        var sum = 0.0
        for candidate in order {
            sum += candidate.weight
            if place < sum { return candidate.kind }
        }
        return order[order.count - 1].kind
    }
}
