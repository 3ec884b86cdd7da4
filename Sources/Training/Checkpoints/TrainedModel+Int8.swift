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
    }

    /// Puts what 8 bits can say in the place of the weights of dense layers, convolutions and attention: whole numbers times a scale
    /// for each output (`QuantizedMatrix`). From here on all passes compute with these numbers, in Float32 as ever, so that they are no
    /// faster; what is smaller is a file of them.
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

    /// What a split says.
    package struct Judgement {
        package let sampleCount: Int
        package let loss: Double
        package let metrics: [MetricValue]
        /// Over the whole evaluation, reading the data aside.
        package let samplesPerSecond: Double
    }

    /// Loss and metrics of a split as they are, and then with weights in 8 bits, which the model keeps.
    package struct Int8Comparison {
        package let weights: EightBits
        package let plain: Judgement, int8: Judgement
    }

    /// Judges a split, quantises, and judges it again.
    package func compareInt8(_ split: Split, note: (String) -> Void) throws -> Int8Comparison {
        let dataset = try dataset(of: split, note: note)
        func judged() throws -> Judgement {
            let start = MonotonicClock.seconds
            let result = try evaluate(dataset)
            let seconds = MonotonicClock.seconds - start
            return Judgement(
                sampleCount: result.sampleCount, loss: result.loss, metrics: result.metrics,
                samplesPerSecond: Double(result.sampleCount) / max(seconds, 1e-9))
        }
        // The first pass touches all memory for the first time, which isn't to be told apart from the weights.
        _ = try judged()
        let plain = try judged()
        let weights = try quantize()
        return Int8Comparison(weights: weights, plain: plain, int8: try judged())
    }
}
