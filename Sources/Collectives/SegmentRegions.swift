import Storage

/// What lies where in a rank's segment: counters, two records (one is read while the next step's is written), in the first
/// rank's how often each piece of the weights has changed, and the host's weights, and behind them the rank's gradients.
struct SegmentRegions {
    /// Elements of the flat buffers.
    let weights: Int, gradients: Int
    let recordSize: Int
    /// Pieces of the weights.
    let pieces: Int
    /// Copies of the weights, and sets of gradients.
    let copies: Int

    private static let page = 4096
    private static func rounded(_ bytes: Int) -> Int { (bytes + page - 1) / page * page }

    private var recordBytes: Int { (recordSize * MemoryLayout<Double>.stride + 127) / 128 * 128 }
    private var stampsOffset: Int { HostFlags.byteCount + 2 * recordBytes }
    private var weightsOffset: Int { Self.rounded(stampsOffset + pieces * MemoryLayout<Int64>.stride) }
    private var gradientBytes: Int { Self.rounded(gradients * MemoryLayout<Float>.stride) }

    private var weightBytes: Int { Self.rounded(weights * MemoryLayout<Float>.stride) }

    private func gradientsOffset(hasWeights: Bool) -> Int { weightsOffset + (hasWeights ? copies * weightBytes : 0) }

    func byteCount(subtrees: Int, hasWeights: Bool) -> Int {
        gradientsOffset(hasWeights: hasWeights) + subtrees * copies * gradientBytes
    }

    func record(_ step: Int64, in segment: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Double> {
        (segment + HostFlags.byteCount + Int(step & 1) * recordBytes).assumingMemoryBound(to: Double.self)
    }

    func stamps(in segment: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Int64> {
        (segment + stampsOffset).assumingMemoryBound(to: Int64.self)
    }

    func weights(_ copy: Int, in segment: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Float> {
        (segment + weightsOffset + copy * weightBytes).assumingMemoryBound(to: Float.self)
    }

    func gradients(
        _ subtree: Int, set: Int, in segment: UnsafeMutableRawPointer, hasWeights: Bool
    ) -> UnsafeMutablePointer<Float> {
        (segment + gradientsOffset(hasWeights: hasWeights) + (subtree * copies + set) * gradientBytes)
            .assumingMemoryBound(to: Float.self)
    }
}
