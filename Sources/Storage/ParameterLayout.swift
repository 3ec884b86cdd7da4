/// Where every parameter lies in the one flat buffer of weights, and likewise in that of gradients and of each optimizer
/// state. Layers reserve named slots when they are built; nobody numbers a parameter by hand.
package struct ParameterLayout: Sendable {
    /// Slots begin on cache lines.
    package static let slotAlignment = 16
    /// The unit in which the buffer is cut into owners' slices, and of the gradient norm's sum.
    package static let blockSize = 1024

    package private(set) var slots: [ParameterSlot] = []
    private var used = 0

    package init() {}

    /// Reserves room for a parameter. `name` is unique; two layers with one name are a configuration error found before.
    package mutating func reserve(name: String, shape: Shape, role: ParameterSlot.Role) -> ParameterSlot {
        precondition(!slots.contains { $0.name == name }, "two parameters named \(name)")
        let slot = ParameterSlot(name: name, shape: shape, role: role, index: slots.count, offset: used)
        slots.append(slot)
        used += (shape.count + Self.slotAlignment - 1) / Self.slotAlignment * Self.slotAlignment
        return slot
    }

    /// How many numbers there are to learn, without padding.
    package var parameterCount: Int { slots.reduce(0) { $0 + $1.shape.count } }

    /// The number of blocks of the flat buffer.
    package var blockCount: Int { (used + Self.blockSize - 1) / Self.blockSize }

    /// Elements of the flat buffer: all slots, padded with zeros to whole blocks.
    package var paddedCount: Int { blockCount * Self.blockSize }

    /// The elements that `owner` of `ownerCount` owns: whole blocks, possibly none.
    package func slice(of owner: Int, ownerCount: Int) -> Range<Int> {
        let first = owner * blockCount / ownerCount, end = (owner + 1) * blockCount / ownerCount
        return first * Self.blockSize..<end * Self.blockSize
    }
}

/// A named parameter's place in the flat buffer.
package struct ParameterSlot: Sendable {
    /// What the numbers do; regularization applies to weights only.
    package enum Role: Sendable { case weight, bias, other }

    /// As PyTorch names it: `0.weight`.
    package let name: String
    package let shape: Shape
    package let role: Role
    package let index: Int
    package let offset: Int

    /// The elements of the flat buffer.
    package var range: Range<Int> { offset..<offset + shape.count }
}
