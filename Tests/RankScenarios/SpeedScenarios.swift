import CMPI
import Collectives
import Foundation
import Kernels
import Storage
import Timing

/// How long synchronisation and update take on their own.
///
/// `exchange-speed PARAMETERS ROUNDS`: the owner scheme (combining, Adam and publishing in shared memory) and the textbook
/// scheme (`MPI_Allreduce` of the whole gradient, then the same Adam on every rank) in turn; one JSON line per round with
/// the milliseconds of each, as `launch/bench.sh --extra` takes them.
let speedScenarios = [
    Scenario(name: "exchange-speed") { communicator in
        let arguments = CommandLine.arguments.dropFirst(2).compactMap { Int($0) }
        let parameters = arguments.first ?? 20_000_000
        let rounds = arguments.last ?? 7
        var layout = ParameterLayout()
        _ = layout.reserve(name: "w", shape: Shape([parameters]), role: .weight)
        Processor.flushDenormals()
        let owner = try OwnerStep(communicator, layout)
        let textbook = TextbookStep(communicator, layout)
        for round in 0...rounds {
            let fast = try milliseconds(communicator) { try owner.run() }
            let slow = try milliseconds(communicator) { try textbook.run() }
            // The first round touches the memory; later ones sum up sums, which only the textbook scheme keeps.
            if round == 0 { expect(owner.weights == textbook.weights, "the two schemes' weights differ", communicator) }
            guard round > 0, communicator.rank == 0 else { continue }
            print(
                "{\"row\": \"synchronisation + update of \(parameters) parameters, \(communicator.size) ranks, against "
                    + "MPI_Allreduce + the same Adam\", \"dtrain\": \(fast), \"peer\": \(slow), \"unit\": \"ms\"}")
        }
        owner.close()
    }
]

/// How long `work` takes from where all ranks are there until all have done it.
private func milliseconds(_ communicator: any Communicator, _ work: () throws -> Void) throws -> Double {
    try communicator.barrier()
    let start = MonotonicClock.nanoseconds
    try work()
    try communicator.barrier()
    return (Double(MonotonicClock.nanoseconds - start) / 1e4).rounded() / 100
}

private let coefficients = Updates.Adam(
    stepSize: 1e-3, beta1: 0.9, beta2: 0.999, oneMinusBeta1: 0.1,
    oneMinusBeta2: 0.001, correction: 0.03, epsilon: 1e-8, coupledDecay: 0,
    decoupledDecay: 1)

/// Gradients that differ by rank.
private func fill(_ gradient: MutableParameterView, rank: Int) {
    let elements = gradient[0..<gradient.count].elements
    for index in elements.indices { elements[index] = Float(index % 97 + rank) * 1e-3 }
}

private final class OwnerStep {
    private let exchange: OwnerExchange
    private let plan: ExchangePlan
    private let first: AlignedBuffer<Float>, second: AlignedBuffer<Float>, gradient: AlignedBuffer<Float>
    private let count: Int
    /// As in training.
    private static let blocksAtOnce = 8

    init(_ communicator: any Communicator, _ layout: ParameterLayout) throws {
        let tree = SummationTree(leafCount: communicator.size)
        let program = tree.program(rankCount: communicator.size)
        exchange = try OwnerExchange(communicator: communicator, layout: layout, subtrees: 1, recordSize: 1) { _, _, _ in
            preconditionFailure("the speed between hosts is for bench")
        }
        plan = ExchangePlan(program, tree: tree, exchange: exchange, followsTree: true)
        first = AlignedBuffer(count: exchange.slice.count)
        second = AlignedBuffer(count: exchange.slice.count)
        gradient = AlignedBuffer(count: Self.blocksAtOnce * ParameterLayout.blockSize)
        count = layout.trainedCount
        fill(exchange.gradients(0), rank: communicator.rank)
    }

    var weights: [Float] { Array(exchange.weights[0..<count].elements.prefix(5000)) }

    func run() throws {
        try exchange.beginStep(plan)
        exchange.finished(from: 0)
        _ = exchange.awaitMore(before: 1)
        let size = ParameterLayout.blockSize
        let start = exchange.slice.lowerBound
        for offset in stride(from: 0, to: exchange.slice.count, by: Self.blocksAtOnce * size) {
            let count = min(Self.blocksAtOnce * size, exchange.slice.count - offset)
            for block in stride(from: 0, to: count, by: size) {
                plan.combine(offset + block, factor: 0.5, into: gradient.matrix(rows: 1, columns: size, offset: block))
            }
            Updates.adam(
                coefficients, weights: exchange.weights[start + offset..<start + offset + count],
                gradient: gradient.matrix(rows: 1, columns: count).readOnly,
                first: first.matrix(rows: 1, columns: count, offset: offset),
                second: second.matrix(rows: 1, columns: count, offset: offset), largest: nil)
        }
        try exchange.publish(showsRecords: true) {}
    }

    func close() { exchange.close() }
}

private final class TextbookStep {
    private let values: AlignedBuffer<Float>
    private let first: AlignedBuffer<Float>, second: AlignedBuffer<Float>, gradient: AlignedBuffer<Float>

    init(_ communicator: any Communicator, _ layout: ParameterLayout) {
        values = AlignedBuffer(count: layout.trainedCount)
        first = AlignedBuffer(count: layout.trainedCount)
        second = AlignedBuffer(count: layout.trainedCount)
        gradient = AlignedBuffer(count: layout.trainedCount)
        fill(gradient.parameters, rank: communicator.rank)
    }

    var weights: [Float] { Array(values.elements.prefix(5000)) }

    func run() throws {
        let all = gradient.matrix(rows: 1, columns: gradient.count)
        MPI_Allreduce(
            dtrain_mpi_in_place(), all.base, Int32(all.count), dtrain_mpi_float(), dtrain_mpi_sum(),
            dtrain_mpi_comm_world())
        Updates.scale(all, by: 0.5)
        Updates.adam(
            coefficients, weights: values.matrix(rows: 1, columns: values.count), gradient: all.readOnly,
            first: first.matrix(rows: 1, columns: first.count),
            second: second.matrix(rows: 1, columns: second.count), largest: nil)
    }
}
