import Collectives
import Storage

extension Communicator {
    /// Fills `flat`, which rank 0 has, with what every rank has of it. Collective.
    ///
    /// - Parameters:
    ///   - own: what this rank has, as many numbers as `part` says.
    ///   - part: the elements of `flat` that a rank has, possibly none.
    func gather(_ own: MatrixView?, into flat: UnsafeMutableBufferPointer<Float>?, part: (_ rank: Int) -> Range<Int>) throws {
        guard let flat else {
            return try exchange(sending: own.map { part(rank).isEmpty ? [] : [Outgoing(to: 0, $0)] } ?? [], receiving: [])
        }
        var receiving: [Incoming] = []
        for rank in 1..<max(size, 1) where !part(rank).isEmpty {
            receiving.append(
                Incoming(
                    from: rank, UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: flat[part(rank)]))))
        }
        try exchange(sending: [], receiving: receiving)
        if let own, !part(0).isEmpty {
            _ = UnsafeMutableBufferPointer(rebasing: flat[part(0)]).update(fromContentsOf: own.row(0))
        }
    }
}
