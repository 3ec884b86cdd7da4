import Kernels
import Settings
import Storage

/// A step of a network, with both directions side by side.
///
/// A layer is a small value. When it is built it reserves named slots for its parameters; it is handed everything else:
/// rows of samples, weights, a place for its results. It never allocates, and never scales by the batch or the number
/// of ranks. A row's output and input gradient depend on that row alone (law 1); parameter gradients are summed over the
/// rows of each leaf, and over the leaves along the tree, by the kernels.
package protocol Layer: Sendable {
    /// The name in a configuration.
    static var kind: String { get }

    /// Reads its options, checks them against the shape of its input, and reserves its parameters.
    init(options: Settings, site: inout LayerSite) throws

    /// The shape of one sample of the output.
    var outputShape: Shape { get }

    /// Float32 per sample that `forward` leaves in its scratch for `backward`.
    var keptCount: Int { get }

    /// Float32 per sample that `backward` needs for itself.
    var workCount: Int { get }

    /// Whether the output is the input, unchanged in memory; then neither direction is ever called.
    var isIdentity: Bool { get }

    /// Floating-point operations of the matrix products of one sample, forward and backward; a multiplication and an
    /// addition are two. Everything else a layer does is small beside them and not counted.
    ///
    /// - Parameter withInputGradient: whether backward is asked for the gradient of the input.
    func productOperations(withInputGradient: Bool) -> Int

    /// A layer that does what this one and `next` behind it do, with the same bits but less memory; nil where none does.
    func fused(with next: any Layer) -> (any Layer)?

    /// Assigns `output` (rows × outputs) from `input` (rows × inputs).
    func forward(_ input: MatrixView, into output: MutableMatrixView, kept: Scratch, in pass: ForwardPass)

    /// Assigns the gradient of the input, unless nobody wants it, and the gradients of its own parameters.
    ///
    /// - Parameters:
    ///   - outputGradient: the gradient of the summed loss with respect to the output.
    ///   - input: what `forward` was given; `output`: what it assigned; `kept`: what it left.
    func backward(_ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
                  output: MatrixView, kept: Scratch, work: Scratch, in pass: BackwardPass)
}

extension Layer {
    package var keptCount: Int { 0 }
    package var workCount: Int { 0 }
    package var isIdentity: Bool { false }
    package func productOperations(withInputGradient: Bool) -> Int { 0 }
    package func fused(with next: any Layer) -> (any Layer)? { nil }
}

/// What all layers of one forward pass share.
package struct ForwardPass: Sendable {
    package let weights: ParameterView
    package let workspace: Workspace
    /// The ordinal of the first row's draw in the run while training (row r has the ordinal `firstDraw` + r), nil in
    /// evaluation. Layers key their random numbers by it.
    package let firstDraw: UInt64?

    package init(weights: ParameterView, workspace: Workspace, firstDraw: UInt64?) {
        self.weights = weights
        self.workspace = workspace
        self.firstDraw = firstDraw
    }
}

/// What all layers of one backward pass share.
package struct BackwardPass {
    package let weights: ParameterView
    /// Where the parameter gradients of this node of the tree go; whatever was there is overwritten.
    package let gradients: MutableParameterView
    /// Rows of a leaf; the last leaf may have fewer.
    package let leafRows: Int
    package let workspace: Workspace
    /// Told by composites, on their way back to front, from which offset of the flat buffer on all gradients are complete
    /// and all weights read.
    package let finished: ((_ offset: Int) -> Void)?

    package init(weights: ParameterView, gradients: MutableParameterView, leafRows: Int, workspace: Workspace,
                 finished: ((_ offset: Int) -> Void)? = nil) {
        self.weights = weights
        self.gradients = gradients
        self.leafRows = leafRows
        self.workspace = workspace
        self.finished = finished
    }
}

/// A part of the activation memory, planned once: so many Float32 per sample, for up to `rowCapacity` samples.
package struct Scratch: @unchecked Sendable {
    // Sendable: one forward or backward pass at a time writes it.

    /// Invariant: `rowCapacity × perSample` elements from here belong to this scratch while the owner lives.
    private let base: UnsafeMutablePointer<Float>
    private let perSample: Int
    package let rowCapacity: Int

    init(base: UnsafeMutablePointer<Float>, perSample: Int, rowCapacity: Int) {
        self.base = base
        self.perSample = perSample
        self.rowCapacity = rowCapacity
    }

    /// The `columns` numbers per sample that begin `offset` numbers per sample into the scratch, for `rows` samples.
    package func matrix(rows: Int, columns: Int, offset: Int = 0) -> MutableMatrixView {
        precondition(rows <= rowCapacity && offset >= 0 && offset + columns <= perSample,
                     "\(rows) × \(columns) at \(offset) of a scratch for \(rowCapacity) × \(perSample)")
        return MutableMatrixView(base: base + offset * rowCapacity, rows: rows, columns: columns)
    }

    /// The part of `count` numbers per sample that begins `offset` numbers per sample in.
    package func part(offset: Int, count: Int) -> Scratch {
        precondition(offset >= 0 && offset + count <= perSample, "\(offset) + \(count) of \(perSample)")
        return Scratch(base: base + offset * rowCapacity, perSample: count, rowCapacity: rowCapacity)
    }
}
