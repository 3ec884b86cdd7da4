/// A layer of your own, both directions side by side.
///
/// A value that is made once, when the network is built: it reads its options, reserves its parameters and says what its output looks
/// like. Whatever else it works on is handed to it: rows of samples, weights, places for results. It keeps nothing from call to call.
///
/// ## What makes a run exact
///
/// A run has the same bits on any number of ranks if a layer keeps to three rules.
///
/// 1. *Rows are independent*: a row of the output, and of the input's gradient, depends on that row and the weights alone. How many
///    rows a call brings differs from rank to rank.
/// 2. *Sums are in order*: `backward` adds each row's part to the parameter gradients, row after row. It is called once for each
///    micro-batch, with gradients that are zero; dtrain adds what micro-batches come to along its tree.
/// 3. *Nothing else comes in*: no clock, no random numbers of the system, no state.
///
/// The command `gradcheck` compares `backward` with numeric gradients.
public protocol Layer: Sendable {
    /// Its name in a configuration: lowercase letters, digits and `_`.
    static var kind: String { get }

    /// Reads its options, checks them against the shape of its input (`builder.inputShape`), and reserves its parameters.
    init(options: Options, builder: inout LayerBuilder) throws

    /// The shape of one sample of the output.
    var outputShape: Shape { get }

    /// How many numbers of each sample `forward` keeps for `backward`, beside input and output; 0 by default.
    var keptCount: Int { get }

    /// How many numbers of each sample `backward` needs to compute with (`Backward.work`); 0 by default.
    var workCount: Int { get }

    /// Whether `backward` reads its input, and its output; both by default. What nobody reads takes no memory.
    var readsInputBackward: Bool { get }
    /// See `readsInputBackward`.
    var readsOutputBackward: Bool { get }

    /// The matrix products that it has dtrain compute (`Forward.multiply` and its kin), so that memory is planned for them; none by default.
    var products: [MatrixProduct] { get }

    /// Assigns `output` from `input`, a sample a row, its numbers one behind the other.
    func forward(_ input: Rows, into output: MutableRows, in pass: Forward)

    /// Assigns the gradient of the input, where somebody wants it, and adds to the gradients of its parameters, `pass.gradient(of:)`.
    ///
    /// - Parameters:
    ///   - outputGradient: the gradient of the summed loss with respect to the output, a sample a row.
    ///   - inputGradient: what to assign the gradient of the input to, a sample a row; nil where nobody wants it, as in a network's first layer.
    ///   - input: what `forward` was given, where `readsInputBackward`.
    ///   - output: what it assigned, where `readsOutputBackward`.
    ///   - pass: weights, what `forward` kept, and where parameter gradients are added up.
    func backward(
        _ outputGradient: Rows, into inputGradient: MutableRows?, input: Rows, output: Rows, in pass: Backward)
}

extension Layer {
    /// 0.
    public var keptCount: Int { 0 }
    /// 0.
    public var workCount: Int { 0 }
    /// It does.
    public var readsInputBackward: Bool { true }
    /// It does.
    public var readsOutputBackward: Bool { true }
    /// None.
    public var products: [MatrixProduct] { [] }
}

/// The size of the products of a weight of outputs × inputs, such as that of a dense layer, with rows.
public struct MatrixProduct: Sendable {
    /// The weight's columns.
    public let inputs: Int
    /// The weight's rows.
    public let outputs: Int

    /// Of a weight of outputs × inputs.
    public init(inputs: Int, outputs: Int) {
        self.inputs = inputs
        self.outputs = outputs
    }
}
