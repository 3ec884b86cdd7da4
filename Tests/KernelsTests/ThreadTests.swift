import Kernels
import Storage
import TestSupport
import Testing

@Suite("Threads that share tiles")
struct ThreadTests {
    @Test("count denormal results as zero on every thread, whatever the thread did that made them", arguments: 1...4)
    func denormals(threadCount: Int) throws {
        // A thread begins with the modes of the one that made it.
        honorDenormals()
        let workspace = try Workspace(threadCount: threadCount)
        defer { honorDenormals() }
        // Products of 1e-40 in so many columns that every thread has some.
        let rows = 64
        let inputs = 1
        let outputs = 512
        let input = AlignedBuffer<Float>(count: rows * inputs, repeating: 1e-30)
        let weights = AlignedBuffer<Float>(count: outputs * inputs, repeating: 1e-10)
        let output = AlignedBuffer<Float>(count: rows * outputs, repeating: .nan)
        // A thread that comes late leaves nothing to the others: each has its own tiles.
        workspace.innerProducts(
            input.matrix(rows: rows, columns: inputs).readOnly,
            weights.matrix(rows: outputs, columns: inputs).readOnly, bias: nil,
            into: output.matrix(rows: rows, columns: outputs))
        #expect(
            output.elements.allSatisfy { $0.bitPattern == 0 }, "\(output.elements.count { $0.bitPattern != 0 }) are not zero")
    }
}
