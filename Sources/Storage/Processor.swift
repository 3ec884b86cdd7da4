import CProcessor

/// Settings of the processor for the calling thread.
package enum Processor {
    /// Denormal numbers count as zero from here on, on this thread: each thread that computes calls it first.
    package static func flushDenormals() { dtrain_flush_denormals() }

    /// Asks for bytes that will be read soon, so that they are near by then.
    @inline(__always)
    package static func prefetch(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        for offset in stride(from: 0, to: bytes.count, by: 64) { dtrain_prefetch(base + offset) }
    }

    /// Makes what this thread wrote past the caches visible to others before whatever it writes from here on.
    @inline(__always)
    package static func finishStreaming() { dtrain_finish_streaming() }

    /// Tells the processor that the caller spins, waiting for another thread or process.
    @inline(__always)
    package static func pause() { dtrain_spin_pause() }

    /// Whether it has the AVX-512 instructions of x86-64-v4.
    package static let hasAVX512 = dtrain_has_avx512() != 0
}
