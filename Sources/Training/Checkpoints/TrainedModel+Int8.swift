import Datasets
import Diagnostics
import Metrics
import Network
import Storage
import Timing

extension TrainedModel {
    /// Weights of which some are in 8 bits.
    package struct EightBits {
        /// By the index of their slot.
        package let matrices: [Int: QuantizedMatrix]
        /// Bytes of all weights in 32 bits, and with these in 8.
        package let plainByteCount: Int, byteCount: Int
        /// How many of them are computed with in whole numbers.
        package var integerCount = 0
    }

    /// Puts what 8 bits can say in the place of the weights of dense layers, convolutions and attention: whole numbers times a scale
    /// for each output (`QuantizedMatrix`). From here on all passes compute with these numbers, in Float32 as ever.
    ///
    /// - Throws: `Failure` with 65 where the network has no such weights.
    package func quantize() throws -> EightBits {
        let matrices = network.quantizedMatrices(parameters)
        guard !matrices.isEmpty else {
            throw Failure(
                .badData,
                "\(checkpoint.path): --int8: the network has no weights of dense layers, convolutions or attention that it could "
                    + "keep in 8 bits; leave it out")
        }
        var plain = 0
        var small = 0
        for slot in network.layout.slots {
            plain += 4 * slot.shape.count
            small += matrices[slot.index]?.byteCount ?? 4 * slot.shape.count
            matrices[slot.index]?.expand(into: memory(of: slot))
        }
        return EightBits(matrices: matrices, plainByteCount: plain, byteCount: small)
    }

    /// Has passes round what such a layer gets to 8 bits too, for each row or image, and multiply whole numbers, as far as kernels can.
    ///
    /// - Parameter weights: what `quantize` has made.
    package func computeInIntegers(_ weights: EightBits) -> EightBits {
        var result = weights
        for (index, matrix) in weights.matrices {
            guard let base = memory(of: network.layout.slots[index]).baseAddress else { continue }
            if matrix.compute(in: workspace, weight: UnsafePointer(base)) { result.integerCount += 1 }
        }
        return result
    }

    /// What a split says.
    package struct SplitResult {
        package let sampleCount: Int
        package let loss: Double
        package let metrics: [MetricValue]
        /// Over the whole evaluation, reading the data aside.
        package let samplesPerSecond: Double
    }

    /// Loss and metrics of a split as they are; with weights in 8 bits; and, where that is asked for, computed in 8 bits too. The model
    /// stays at the last one.
    package struct Int8Comparison {
        package let weights: EightBits
        package let plain: SplitResult, rounded: SplitResult, integers: SplitResult?
    }

    /// Judges a split, quantises, and judges it again.
    package func compareInt8(_ split: Split, integers: Bool, note: (String) -> Void) throws -> Int8Comparison {
        let dataset = try judged(split, note: note)
        func result() throws -> SplitResult {
            // The first evaluation touches all memory for the first time; of some, the fastest is the least disturbed.
            var best = 0.0
            var last = try evaluate(dataset)
            for _ in 0..<3 {
                let start = MonotonicClock.seconds
                last = try evaluate(dataset)
                best = max(best, Double(last.sampleCount) / max(MonotonicClock.seconds - start, 1e-9))
            }
            return SplitResult(
                sampleCount: last.sampleCount, loss: last.loss, metrics: last.metrics, samplesPerSecond: best)
        }
        let plain = try result()
        let weights = try quantize()
        let rounded = try result()
        guard integers else { return Int8Comparison(weights: weights, plain: plain, rounded: rounded, integers: nil) }
        return Int8Comparison(
            weights: computeInIntegers(weights), plain: plain, rounded: rounded, integers: try result())
    }
}
