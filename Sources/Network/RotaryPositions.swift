import Kernels
import Settings
import Storage

/// The angles by which `rotary` turns queries and keys: t·base^(−2i/width) for position t and pair i (Su et al., arXiv:2104.09864).
struct RotaryPositions: Sendable {
    let half: Int
    let cosines: [Float], sines: [Float]

    /// Nil where the options don't ask for it: `rotary: true`, or `rotary: {base: 10000}`.
    init?(_ options: Settings, positions: Int, width: Int) throws {
        guard options.has("rotary") else { return nil }
        var base = 10_000.0
        if options.has("rotary", holding: "base") {
            base = try options.section("rotary").double("base", in: .positive)
        } else if try !options.bool("rotary", default: false) {
            return nil
        }
        guard width % 2 == 0 else {
            throw options.failure("rotary", "turns pairs of numbers, but a head has \(width); choose heads of an even width")
        }
        let half = width / 2
        self.half = half
        let turns = (0..<positions * half).map { index in
            let frequency = exponential(-logarithm(base) * Double(index % half) * 2 / Double(width))
            return Double(index / half) * frequency / Double.pi
        }
        cosines = turns.map { Float(cosineOfPi(times: $0)) }
        sines = turns.map { Float(cosineOfPi(times: $0 - 0.5)) }
    }

    /// Turns every head's numbers in place; `isBack` the other way.
    ///
    /// - Parameters:
    ///   - positions: rows of a sample; `first`: the position of the first of them.
    func turn(_ matrix: MutableMatrixView, positions: Int, first: Int = 0, isBack: Bool, _ workspace: Workspace) {
        cosines.withUnsafeBufferPointer { cosines in
            sines.withUnsafeBufferPointer { sines in
                guard let c = cosines.baseAddress, let s = sines.baseAddress else { return }
                let rows = cosines.count / half
                workspace.rotate(
                    matrix, positions: positions, first: first, width: 2 * half,
                    cosines: MatrixView(base: c, rows: rows, columns: half),
                    sines: MatrixView(base: s, rows: rows, columns: half),
                    isBack: isBack)
            }
        }
    }
}
