import Kernels
import Network
import Settings
import Storage
import Training

/// A layer of a program's own, as the network calls it.
struct OwnLayer<Own: Layer>: NetworkLayer {
    static var kind: String { Own.kind }

    let outputShape: Storage.Shape
    private let own: Own
    private let parameters: [Parameter]
    private let parameterCount: Int
    private let products: [MatrixProduct]
    private let keptCount: Int
    private let workCount: Int

    init(options: Settings, site: inout LayerSite) throws {
        var builder = LayerBuilder(site, options)
        let own = try forDtrain {
            try Own(options: Options(options), builder: &builder)
        } else: {
            options.failure($0)
        }
        site = builder.site
        self.own = own
        parameters = builder.parameters
        parameterCount = builder.count
        let shape = own.outputShape
        guard shape.dimensions.allSatisfy({ $0 > 0 }) else {
            throw options.failure("\(Own.self).outputShape: expected dimensions of 1 or more, found \(shape)")
        }
        outputShape = try site.shape(shape.dimensions) { options.failure("\(Own.self).outputShape: \($0)") }
        products = own.products
        keptCount = own.keptCount
        workCount = own.workCount
        guard keptCount >= 0, workCount >= 0, products.allSatisfy({ $0.inputs > 0 && $0.outputs > 0 }) else {
            throw options.failure(
                "\(Own.self): keptCount and workCount have to be 0 or more, inputs and outputs of products 1 or more; found \(keptCount), "
                    + "\(workCount) and \(products)"
            )
        }
    }

    var memory: LayerMemory {
        LayerMemory(
            kept: MemoryNeed(perSample: keptCount), backward: MemoryNeed(perSample: workCount, perLeaf: parameterCount))
    }

    var backwardOperands: BackwardOperands {
        var operands: BackwardOperands = []
        if own.readsInputBackward { operands.insert(.input) }
        if own.readsOutputBackward { operands.insert(.output) }
        return operands
    }

    func productOperations(withInputGradient: Bool) -> Int {
        products.reduce(0) { $0 + 2 * $1.inputs * $1.outputs * (withInputGradient ? 3 : 2) }
    }

    func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        products.reduce(.none) {
            .larger($0, Workspace.productScratch(rows: rows, inputs: $1.inputs, outputs: $1.outputs, leafRows: leafRows))
        }
    }

    func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        let isTraining = if case .training = pass.purpose { true } else { false }
        own.forward(
            Rows(input), into: MutableRows(output),
            in: Forward(
                isTraining: isTraining, kept: memory.kept.map { MutableRows($0.matrix(rows: input.rows, columns: keptCount)) },
                weights: pass.weights, workspace: pass.workspace))
    }

    /// A leaf at a time, each with sums of its own, which are then added along the tree.
    func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        precondition(!pass.continues, "a leaf of a layer that isn't computed in pieces")
        let rows = outputGradient.rows
        let leaves = (rows + pass.summedRows - 1) / pass.summedRows
        let sums = memory.work.leaves(leaves, columns: parameterCount)
        let kept = memory.left.matrix(rows: rows, columns: keptCount).readOnly
        let work = memory.work.matrix(rows: rows, columns: workCount)
        sums.fill(0)
        for leaf in 0..<leaves {
            let part = leaf * pass.summedRows..<min(rows, (leaf + 1) * pass.summedRows)
            own.backward(
                Rows(outputGradient[rows: part]), into: inputGradient.map { MutableRows($0[rows: part]) },
                input: Rows(input[rows: part]), output: Rows(output[rows: part]),
                in: Backward(
                    kept: Rows(kept[rows: part]), work: MutableRows(work[rows: part]), weights: pass.weights,
                    workspace: pass.workspace,
                    gradients: sums[rows: leaf..<leaf + 1]))
        }
        for parameter in parameters {
            guard let target = pass.gradient(of: parameter.slot) else { continue }
            let columns = parameter.first..<parameter.first + parameter.slot.shape.count
            pass.workspace.columnSums(sums.readOnly[columns: columns], leafRows: 1, into: target)
        }
    }
}
