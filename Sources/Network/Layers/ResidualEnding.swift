import Kernels
import Storage

/// What a residual does with the output of its inner layers.
struct ResidualSum {
    /// What is added; it may lie where the sum goes.
    let shortcut: MatrixView
    /// Whether what isn't above 0 becomes 0.
    let rectifies: Bool

    /// The same for a range of rows.
    subscript(rows range: Range<Int>) -> ResidualSum { ResidualSum(shortcut: shortcut[rows: range], rectifies: rectifies) }
}

/// A layer that can end a residual: it adds the shortcut in the pass over memory in which it writes its output, and backward it
/// passes over gradients where the sum was rectified. The bits are those of the layer, the addition and a relu one after the other.
protocol ResidualEnding: Layer {
    /// Whether it can, being built as it is. Then its `backward` doesn't read its output.
    var canEndResidual: Bool { get }

    /// As `forward`, and adds.
    func forward(
        _ input: MatrixView, adding sum: ResidualSum, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass)

    /// As `backward`; gradients count as 0 where `rectified`, what `forward` made, isn't above 0.
    func backward(
        _ outputGradient: MatrixView, rectified: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        memory: PassMemory, in pass: BackwardPass)
}
