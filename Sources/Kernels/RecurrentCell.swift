import Storage

/// What a recurrent layer does in a step, with PyTorch's formulas and orders of gates; σ is the sigmoid, ⊙ the product number by
/// number, h the output of the step before.
package enum RecurrentCell: Sendable, Equatable {
    /// h′ = tanh(W·x + b + U·h + b′) (Elman, "Finding structure in time", 1990).
    case tanh
    /// The same with max(·, 0).
    case relu
    /// i, f, o = σ(…), g = tanh(…), in the order i f g o; c′ = f⊙c + i⊙g, h′ = o⊙tanh c′ (Hochreiter and Schmidhuber, 1997; Gers et
    /// al., 2000).
    case lstm
    /// r, z = σ(…), n = tanh(W·x + b + r⊙(U·h + b′)), in the order r z n; h′ = (1 − z)⊙n + z⊙h (Cho et al., 2014).
    case gru

    /// Rows of a weight matrix for each unit.
    package var gates: Int {
        switch self {
        case .tanh, .relu: 1
        case .lstm: 4
        case .gru: 3
        }
    }

    /// Numbers for each unit that go from one step to the next: h, and c behind it.
    package var states: Int { self == .lstm ? 2 : 1 }

    /// Numbers for each unit and step that backward needs: of an LSTM i, f, g, o and c′, of a GRU r, z, n, U·h + b′ of n, and h′, of
    /// the others h′.
    package var kept: Int {
        switch self {
        case .tanh, .relu: 1
        case .lstm, .gru: 5
        }
    }

    /// Sums for each unit that a step's products make: a GRU's for n come from x and from h apart.
    package var sums: Int {
        switch self {
        case .tanh, .relu: 1
        case .lstm, .gru: 4
        }
    }

    /// The gates that both products add to, which come first among the rows of the weights.
    var sharedGates: Int { self == .gru ? 2 : gates }
}

/// One direction of a recurrent layer over a sequence.
package struct Recurrence: Sendable, Equatable {
    package let cell: RecurrentCell
    package let steps: Int
    /// Numbers of a step's input, and of its output.
    package let inputs: Int, units: Int
    /// Whether it goes from the last step of a sample to its first.
    package let isReversed: Bool

    package init(cell: RecurrentCell, steps: Int, inputs: Int, units: Int, isReversed: Bool) {
        self.cell = cell
        self.steps = steps
        self.inputs = inputs
        self.units = units
        self.isReversed = isReversed
    }

    /// Numbers of a sample that `recurrentForward` keeps.
    package var keptCount: Int { steps * cell.kept * units }
    /// Numbers of a sample that are the gradients of the sums of all steps.
    package var sumsCount: Int { steps * cell.sums * units }

    /// The step that comes before `step`, for a sample of `length` steps; nil where it is the first.
    func previous(of step: Int, length: Int) -> Int? {
        let previous = isReversed ? step + 1 : step - 1
        return previous >= 0 && previous < length ? previous : nil
    }

    /// What sums of a step are where, in columns: `shared` gates from 0 on, a GRU's n of x and n of h behind them, each beginning
    /// where whole vectors do.
    struct Columns {
        let shared: Int, inputsOwn: Int, statesOwn: Int, stride: Int
    }

    func columns(_ tiles: TileLoops) -> Columns {
        let shared = tiles.wholeColumns(cell.sharedGates * units)
        let own = cell == .gru ? tiles.wholeColumns(units) : 0
        return Columns(shared: 0, inputsOwn: shared, statesOwn: shared + own, stride: apart(shared + 2 * own))
    }

    /// Rows of so many numbers that are read twelve at a time: not a power of two apart, at which they would push each other out of
    /// the first-level cache.
    func apart(_ columns: Int) -> Int { (columns + 15) / 16 * 16 + 16 }
}

/// The parameters of one direction, as PyTorch lays them out.
package struct RecurrentWeights {
    /// gates · units × inputs, and gates · units × units.
    package let inputs: MatrixView, states: MatrixView
    /// gates · units each; none where the layer has none.
    package let inputBias: MatrixView?, stateBias: MatrixView?

    package init(inputs: MatrixView, states: MatrixView, inputBias: MatrixView?, stateBias: MatrixView?) {
        self.inputs = inputs
        self.states = states
        self.inputBias = inputBias
        self.stateBias = stateBias
    }
}
