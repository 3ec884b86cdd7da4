import Storage

/// Blocks of one owner's slice that travel between hosts together: their gradients in one message from every other host, and
/// their new weights in one message to it.
package struct Piece: Equatable, Sendable {
    package let owner: Int
    /// Elements of the flat buffer, whole blocks.
    package let elements: Range<Int>

    /// Half a megabyte: long enough for a link's full rate, short enough that its weights are on their way soon.
    private static let mostBlocks = 128
    private static let fewestBlocks = 64

    /// The slices of all owners in pieces, in ascending order: several of each slice that is large enough for it, so
    /// that a piece's weights travel while the next one's gradients do.
    package static func all(of layout: ParameterLayout, ownerCount: Int) -> [Piece] {
        let size = ParameterLayout.blockSize
        return (0..<ownerCount).flatMap { owner in
            let slice = layout.slice(of: owner, ownerCount: ownerCount)
            let blocks = min(max(slice.count / size / 4, fewestBlocks), mostBlocks)
            return stride(from: slice.lowerBound, to: slice.upperBound, by: blocks * size).map {
                Piece(owner: owner, elements: $0..<min($0 + blocks * size, slice.upperBound))
            }
        }
    }
}
