import Checkpointing
import Network
import Storage

/// How a file has the matrices of GPT-2's blocks.
enum GPT2Form: Sendable {
    /// Hugging Face's transformers: inputs × outputs, as its `Conv1D` is.
    case transformers
    /// nanoGPT: outputs × inputs, as PyTorch's `Linear` is.
    case nanoGPT
}

/// A parameter of GPT-2 in a file.
struct GPT2Tensor {
    /// Without what stands in front of it: `h.0.attn.c_attn.weight`.
    let name: String
    let slot: ParameterSlot
    /// Whether it is stored as inputs × outputs.
    let isTransposed: Bool

    fileprivate init(_ name: String, _ slot: ParameterSlot, isTransposed: Bool = false) {
        self.name = name
        self.slot = slot
        self.isTransposed = isTransposed
    }

    /// The shape that it has in a file.
    var shape: [Int] { isTransposed ? slot.shape.dimensions.reversed() : slot.shape.dimensions }
}

extension GPT2Architecture {
    static let tokensName = "wte.weight", positionsName = "wpe.weight", headName = "lm_head.weight"

    static func openingName(_ block: Int) -> String { "h.\(block).mlp.c_fc.weight" }

    /// All but the last layer's weight.
    func bodyTensors(_ form: GPT2Form) -> [GPT2Tensor] {
        func pair(_ name: String, _ parameters: Parameters, isTransposed: Bool = false) -> [GPT2Tensor] {
            [GPT2Tensor(name + ".weight", parameters.weight, isTransposed: isTransposed && form == .transformers)]
                + (parameters.bias.map { [GPT2Tensor(name + ".bias", $0)] } ?? [])
        }
        let inBlocks = blocks.enumerated().flatMap { index, block in
            pair("h.\(index).ln_1", block.norm1)
                + pair("h.\(index).attn.c_attn", block.attentionInput, isTransposed: true)
                + pair("h.\(index).attn.c_proj", block.attentionOutput, isTransposed: true)
                + pair("h.\(index).ln_2", block.norm2)
                + pair("h.\(index).mlp.c_fc", block.opening, isTransposed: true)
                + pair("h.\(index).mlp.c_proj", block.closing, isTransposed: true)
        }
        return [GPT2Tensor(Self.tokensName, tokens), GPT2Tensor(Self.positionsName, positions)] + inBlocks + pair("ln_f", norm)
    }

    /// The last layer's weight, where it is one of its own.
    var headTensor: GPT2Tensor? {
        guard !isTied, let slot = try? head.get() else { return nil }
        return GPT2Tensor(Self.headName, slot)
    }

    /// Hands on the tensors of a file for transformers; their bytes are there while `body` runs.
    func withTensors(_ weights: ParameterView, _ body: ([TensorSource]) throws -> Void) rethrows {
        let all = bodyTensors(.transformers) + (headTensor.map { [$0] } ?? [])
        let turned = AlignedBuffer<Float>(count: max(1, all.reduce(0) { $0 + ($1.isTransposed ? $1.slot.shape.count : 0) }))
        var used = 0
        let sources = all.map { tensor in
            let name = tensor.name == Self.headName ? tensor.name : "transformer." + tensor.name
            let own = weights.matrix(tensor.slot).row(0)
            guard tensor.isTransposed else { return TensorSource(name: name, shape: tensor.shape, values: own) }
            let place = UnsafeMutableBufferPointer(rebasing: turned.elements[used..<used + own.count])
            used += own.count
            transpose(own, rows: tensor.shape[1], into: place)
            return TensorSource(name: name, shape: tensor.shape, values: UnsafeBufferPointer(place))
        }
        try withExtendedLifetime(turned) { try body(sources) }
    }
}

/// Makes columns of the rows of a matrix, a square of neighbours at a time, so that both sides stay in the caches.
func transpose(_ source: UnsafeBufferPointer<Float>, rows: Int, into target: UnsafeMutableBufferPointer<Float>) {
    guard rows > 0 else { return }
    let columns = source.count / rows
    precondition(
        source.count == rows * columns && target.count == source.count,
        "\(source.count) numbers in \(rows) rows to \(target.count)")
    let side = 32
    for firstRow in stride(from: 0, to: rows, by: side) {
        for firstColumn in stride(from: 0, to: columns, by: side) {
            for row in firstRow..<min(firstRow + side, rows) {
                for column in firstColumn..<min(firstColumn + side, columns) {
                    target[column * rows + row] = source[row * columns + column]
                }
            }
        }
    }
}
