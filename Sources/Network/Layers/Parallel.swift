import Diagnostics
import Kernels
import Settings
import Storage

/// Branches that all get the input; their outputs are concatenated along the first axis (the channels of images), added, or
/// multiplied number by number.
///
/// `parallel: {branches: [{layers: [...]}, {layers: [...]}], combine: concatenate}`; a branch without layers hands the input on.
/// In PyTorch: `class Parallel(nn.ModuleList): def forward(self, x): return torch.cat([branch(x) for branch in self], 1)`, each
/// branch an `nn.Sequential`; parameters are named `2.0.1.weight`: layer 2, its first branch, of that layer 1.
/// Backward, each branch's part of the gradient goes through it, the last branch's first, and the input gradients are added in
/// that order. Kept: what the branches keep, and their outputs.
package struct Parallel: Layer {
    package static let kind = "parallel"
    package let outputShape: Shape
    let parts: [Sequential]
    let combination: Combination
    private let inputCount: Int
    /// Numbers of the widest output of a branch.
    private let widest: Int

    /// What is done with the branches' outputs.
    enum Combination: String, CaseIterable {
        case concatenate, add, multiply
    }

    private var concatenates: Bool { combination == .concatenate }

    /// In a layer that is made of others: the product of two branches that get the same and make the same shape.
    init(product parts: [Sequential]) {
        precondition(
            parts.count == 2 && parts[0].inputShape == parts[1].inputShape && parts[0].outputShape == parts[1].outputShape,
            "branches that don't fit each other")
        self.parts = parts
        combination = .multiply
        inputCount = parts[0].inputShape.count
        outputShape = parts[0].outputShape
        widest = outputShape.count
    }

    package init(options: Settings, site: inout LayerSite) throws {
        let branches = try options.sections("branches")
        let name = try options.choice("combine", of: Combination.allCases.map(\.rawValue), default: "concatenate")
        combination = Combination(rawValue: name) ?? .concatenate
        guard branches.count > 1 else {
            throw options.failure("branches", "expected two branches or more, found \(branches.count)")
        }
        guard combination != .multiply || branches.count == 2 else {
            throw options.failure("branches", "combine: multiply takes two branches, found \(branches.count)")
        }
        inputCount = site.inputShape.count
        var parts: [Sequential] = []
        for (index, branch) in branches.enumerated() {
            parts.append(
                try site.build(try branch.optionalVariants("layers") ?? [], in: branch, name: String(index)))
        }
        self.parts = parts
        widest = parts.map(\.outputShape.count).max() ?? 0
        let first = parts[0].outputShape
        for (index, part) in parts.enumerated() {
            let fits =
                combination == .concatenate
                ? part.outputShape.dimensions.dropFirst() == first.dimensions.dropFirst() && !first.dimensions.isEmpty
                : part.outputShape == first
            guard fits else {
                throw options.failure(
                    "branches",
                    "branch \(index) makes \(part.outputShape) and branch 0 \(first); outputs that are "
                        + (combination == .concatenate
                            ? "concatenated must agree in all axes but the first"
                            : "\(combination == .add ? "added" : "multiplied") must have one shape"))
            }
        }
        guard combination == .concatenate else {
            outputShape = first
            return
        }
        let channels = parts.reduce(0) { $0 + $1.outputShape.dimensions[0] }
        outputShape = try site.shape([channels] + first.dimensions.dropFirst()) { options.failure("branches", $0) }
    }

    package var branches: [(name: String, layers: Sequential)] {
        parts.enumerated().map { (String($0.offset), $0.element) }
    }

    /// Concatenated are the steps.
    package var isStepwise: Bool { !concatenates && parts.allSatisfy(\.isStepwise) }

    /// What the branches' own outputs were is kept.
    package var backwardOperands: BackwardOperands {
        parts.contains { $0.backwardOperands.contains(.input) } ? .input : []
    }

    package func productOperations(withInputGradient: Bool) -> Int {
        parts.reduce(0) { $0 + $1.productOperations(withInputGradient: withInputGradient) }
    }

    package func kernelScratch(rows: Int, leafRows: Int, threads: Int) -> KernelScratch {
        parts.reduce(.none) { .larger($0, $1.kernelScratch(rows: rows, leafRows: leafRows, threads: threads)) }
    }

    package var memory: LayerMemory {
        var all = LayerMemory()
        for part in parts {
            all.kept = all.kept + part.memory.kept + MemoryNeed(perSample: part.outputShape.count)
            all.training = .larger(all.training, part.memory.training)
            all.evaluation = .larger(all.evaluation, part.memory.evaluation)
            all.backward = .larger(all.backward, part.memory.backward)
        }
        all.evaluation = all.evaluation + MemoryNeed(perSample: widest)
        all.backward = all.backward + backwardRoom
        return all
    }

    /// A branch's part of the gradient, and the gradient of the input that comes through it.
    private var backwardRoom: MemoryNeed { MemoryNeed(perSample: widest + inputCount) }

    package func forward(_ input: MatrixView, into output: MutableMatrixView, memory: PassMemory, in pass: ForwardPass) {
        var column = 0
        for (index, part) in parts.enumerated() {
            let made: MutableMatrixView
            let inside: PassMemory
            if let kept = memory.kept {
                made = self.output(of: index, rows: input.rows, kept)
                inside = PassMemory(kept: kept.part(from: offset(of: index), part.memory.kept), work: memory.work)
            } else {
                made = memory.work.matrix(rows: input.rows, columns: part.outputShape.count)
                inside = PassMemory(kept: nil, work: memory.work.rest(from: MemoryNeed(perSample: widest)))
            }
            part.forward(input, into: made, memory: inside, in: pass)
            if concatenates {
                pass.workspace.copyRows(made.readOnly, into: output[columns: column..<column + made.columns])
                column += made.columns
            } else if index == 0 {
                output.copy(from: made.readOnly)
            } else if combination == .add {
                pass.workspace.add(output.readOnly, made.readOnly, into: output)
            } else {
                pass.workspace.multiply(output.readOnly, made.readOnly, into: output)
            }
        }
    }

    package func backward(
        _ outputGradient: MatrixView, into inputGradient: MutableMatrixView?, input: MatrixView,
        output: MatrixView, memory: PassMemory, in pass: BackwardPass
    ) {
        // The flat buffer is completed from its end, so the branch that reserved last goes first.
        for index in parts.indices.reversed() {
            let part = parts[index]
            var gradient = outputGradient
            if concatenates {
                let own = memory.work.matrix(rows: input.rows, columns: part.outputShape.count)
                let first = parts[..<index].reduce(0) { $0 + $1.outputShape.count }
                pass.workspace.copyRows(outputGradient[columns: first..<first + own.columns], into: own)
                gradient = own.readOnly
            } else if combination == .multiply {
                let own = memory.work.matrix(rows: input.rows, columns: part.outputShape.count)
                let other = self.output(of: 1 - index, rows: input.rows, memory.left).readOnly
                pass.workspace.multiply(outputGradient, other, into: own)
                gradient = own.readOnly
            }
            let isFirst = index == parts.count - 1
            let through =
                isFirst
                ? inputGradient
                : inputGradient.map { _ in memory.work.matrix(rows: input.rows, columns: inputCount, offset: widest) }
            part.backward(
                gradient, into: through, input: input, output: self.output(of: index, rows: input.rows, memory.left).readOnly,
                memory: PassMemory(
                    kept: memory.left.part(from: offset(of: index), part.memory.kept),
                    work: memory.work.rest(from: backwardRoom)), in: pass)
            if !isFirst, let inputGradient, let through {
                pass.workspace.add(inputGradient.readOnly, through.readOnly, into: inputGradient)
            }
        }
    }

    /// Where in what is kept a branch's own part begins; behind it lies its output.
    private func offset(of index: Int) -> MemoryNeed {
        parts[..<index].reduce(.none) { $0 + $1.memory.kept + MemoryNeed(perSample: $1.outputShape.count) }
    }

    private func output(of index: Int, rows: Int, _ kept: Scratch) -> MutableMatrixView {
        kept.matrix(
            rows: rows, columns: parts[index].outputShape.count,
            offset: offset(of: index).perSample + parts[index].memory.kept.perSample)
    }
}
