import Diagnostics
import Foundation
import Kernels
import Storage
import Timing

/// What the machine can do, measured beside what the program does with it.
package struct MachineFigures: Sendable {
    /// Operations a second of multiply-adds in registers, all threads of the rank at once: what no product can pass.
    package var multiplyAddRate: Double
    /// Operations a second of one thread's sgemm on 2048×2048 matrices; nil without OpenBLAS.
    package var productRate: Double?
    /// The same for the shape of the network's largest layer.
    package var layerProductRate: Double?
    /// Bytes a second of a = b + s·c over arrays beyond any cache, two read and one written (McCalpin's STREAM triad).
    package var memoryRate: Double

    package init(multiplyAddRate: Double, productRate: Double?, layerProductRate: Double?, memoryRate: Double) {
        self.multiplyAddRate = multiplyAddRate
        self.productRate = productRate
        self.layerProductRate = layerProductRate
        self.memoryRate = memoryRate
    }
}

/// Measures the processor's and the memory's speed.
///
/// The limit is a loop of our own: OpenBLAS is a library like another, and variables of the environment choose its loops.
///
/// OpenBLAS is loaded when it is first needed and isn't linked: it would add 2.5 ms and, on large machines, a thread for
/// each core to every start of the program.
package final class MachineSpeed {
    /// `cblas_sgemm` (https://www.netlib.org/blas/cblas.h): order, two transpositions, m, n, k, alpha, a, lda, b, ldb, beta,
    /// c, ldc.
    private typealias Product =
        @convention(c) (
            Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32, UnsafePointer<Float>, Int32, Float,
            UnsafeMutablePointer<Float>, Int32
        ) -> Void

    private static let largeSide = 2048
    /// Elements of one array of the triad: 64 MiB.
    private static let arrayCount = 16 << 20

    private let workspace: Workspace
    private let product: Product?
    private let shape: (rows: Int, outputs: Int, inputs: Int)
    private let a: AlignedBuffer<Float>, b: AlignedBuffer<Float>, c: AlignedBuffer<Float>

    /// - Parameters:
    ///   - shape: a forward product of interest, outputs = inputs × weightsᵀ.
    ///   - threads: how many compute on this rank.
    /// - Throws: `Failure(.systemRefused)` where they can't be had.
    package init(shape: (rows: Int, outputs: Int, inputs: Int), threads: Int) throws(Failure) {
        self.shape = shape
        workspace = try Workspace(threadCount: threads)
        product = Self.load()
        a = AlignedBuffer(count: max(Self.arrayCount, shape.rows * shape.outputs), repeating: 0)
        b = AlignedBuffer(count: max(Self.arrayCount, shape.rows * shape.inputs), repeating: 0.5)
        c = AlignedBuffer(count: max(Self.arrayCount, shape.outputs * shape.inputs), repeating: 0.25)
    }

    private static func load() -> Product? {
        setenv("OPENBLAS_NUM_THREADS", "1", 1)
        for name in ["libopenblas.so.0", "libopenblas.so"] {
            if let library = dlopen(name, RTLD_NOW | RTLD_LOCAL), let symbol = dlsym(library, "cblas_sgemm") {
                // The library's documented signature; it stays loaded.
                return unsafeBitCast(symbol, to: Product.self)
            }
        }
        return nil
    }

    /// The best of several tries each, in about half a second. Ranks that begin together measure what they can do at once.
    package func measure() -> MachineFigures {
        let side = Self.largeSide
        return MachineFigures(
            multiplyAddRate: multiplyAddRate(),
            productRate: productRate(rows: side, outputs: side, inputs: side, seconds: 0.3),
            layerProductRate: productRate(
                rows: shape.rows, outputs: shape.outputs, inputs: shape.inputs,
                seconds: 0.1),
            memoryRate: memoryRate())
    }

    private func multiplyAddRate() -> Double {
        // About a millisecond.
        let rounds = 200_000
        var operations = 0
        let seconds = best(seconds: 0.1) { operations = workspace.multiplyAdds(rounds: rounds) }
        return seconds.map { Double(operations) / $0 } ?? 0
    }

    private func productRate(rows: Int, outputs: Int, inputs: Int, seconds: Double) -> Double? {
        guard let product, let m = Int32(exactly: rows), let n = Int32(exactly: outputs), let k = Int32(exactly: inputs) else {
            return nil
        }
        let rowMajor: Int32 = 101
        let plain: Int32 = 111
        let transposed: Int32 = 112
        let operations = 2 * Double(rows) * Double(outputs) * Double(inputs)
        // Batches of calls of a millisecond or more, so that reading the clock doesn't count.
        let calls = max(1, Int(1e8 / operations))
        return best(seconds: seconds) {
            for _ in 0..<calls {
                product(rowMajor, plain, transposed, m, n, k, 1, b.base, k, c.base, k, 0, a.base, n)
            }
        }.map { operations * Double(calls) / $0 }
    }

    private func memoryRate() -> Double {
        let bytes = 3 * Self.arrayCount * MemoryLayout<Float>.stride
        let seconds = best(seconds: 0.1) { triad() }
        return seconds.map { Double(bytes) / $0 } ?? 0
    }

    private func triad() {
        let a = a.base
        let b = b.base
        let c = c.base
        for index in 0..<Self.arrayCount { a[index] = b[index] + 0.5 * c[index] }
    }

    /// The shortest of at least three runs, and of as many as fit into `seconds`.
    private func best(seconds: Double, _ body: () -> Void) -> Double? {
        let end = MonotonicClock.nanoseconds + UInt64(seconds * 1e9)
        var shortest = UInt64.max
        var runs = 0
        while runs < 3 || MonotonicClock.nanoseconds < end {
            let start = MonotonicClock.nanoseconds
            body()
            shortest = min(shortest, MonotonicClock.nanoseconds - start)
            runs += 1
        }
        return shortest > 0 ? Double(shortest) * 1e-9 : nil
    }
}
