/// Where every parameter lies in the flat buffers of weights, gradients and optimizer states. Layers reserve named slots when
/// they are built; nobody numbers a parameter by hand.
///
/// Weights have three regions, one behind the other: what is trained, what is frozen, and buffers, which are computed rather
/// than trained (running averages). Gradients and optimizer states have the first one only, so frozen slots cost neither
/// exchange nor state. Each region begins on a block.
package struct ParameterLayout: Sendable {
    /// Slots begin on cache lines.
    package static let slotAlignment = 16
    /// The unit in which the buffer is cut into owners' slices, and of the gradient norm's sum.
    package static let blockSize = 1024

    package private(set) var slots: [ParameterSlot] = []
    private var used = RegionSizes()

    package init() {}

    /// Reserves room for a parameter. `name` is unique; two layers with one name are a configuration error found before.
    package mutating func reserve(name: String, shape: Shape, role: ParameterSlot.Role,
                                  region: ParameterSlot.Region = .trained) -> ParameterSlot {
        precondition(!slots.contains { $0.name == name }, "two parameters named \(name)")
        let slot = ParameterSlot(name: name, shape: shape, role: role, region: region, index: slots.count,
                                 offset: used[region])
        slots.append(slot)
        used[region] += (shape.count + Self.slotAlignment - 1) / Self.slotAlignment * Self.slotAlignment
        return slot
    }

    /// How many numbers the layers were given as parameters, trained or frozen, without padding and buffers.
    package var parameterCount: Int { count(of: .trained) + count(of: .frozen) }

    /// The numbers of a region's slots, without padding.
    package func count(of region: ParameterSlot.Region) -> Int {
        slots.reduce(0) { $0 + ($1.region == region ? $1.shape.count : 0) }
    }

    /// The number of blocks of what is trained.
    package var blockCount: Int { Self.blocks(used.trained) }

    /// Elements of a flat buffer of gradients or of an optimizer's state: all trained slots, padded with zeros to whole
    /// blocks.
    package var trainedCount: Int { blockCount * Self.blockSize }

    /// Elements of the flat buffer of weights: all regions, each padded with zeros to whole blocks.
    package var weightCount: Int { regions.buffers + Self.blocks(used.buffers) * Self.blockSize }

    /// Where in the weights the regions begin.
    package var regions: RegionStarts {
        RegionStarts(frozen: trainedCount, buffers: trainedCount + Self.blocks(used.frozen) * Self.blockSize)
    }

    /// The elements of a slot in the flat buffer of weights.
    package func range(of slot: ParameterSlot) -> Range<Int> {
        let start = regions.start(of: slot.region) + slot.offset
        return start..<start + slot.shape.count
    }

    private static func blocks(_ count: Int) -> Int { (count + blockSize - 1) / blockSize }

    /// The elements of what is trained that `owner` of `ownerCount` owns: whole blocks, possibly none.
    package func slice(of owner: Int, ownerCount: Int) -> Range<Int> {
        let first = owner * blockCount / ownerCount, end = (owner + 1) * blockCount / ownerCount
        return first * Self.blockSize..<end * Self.blockSize
    }
}

/// A named parameter's place in the flat buffers.
package struct ParameterSlot: Sendable {
    /// What the numbers do; regularization applies to weights only.
    package enum Role: Sendable { case weight, bias, other }

    /// What becomes of the numbers.
    package enum Region: Sendable {
        /// They have a gradient, and the optimizer changes them.
        case trained
        /// They stay as they were at the start.
        case frozen
        /// They are computed on the way and have no gradient.
        case buffers
    }

    /// As PyTorch names it: `0.weight`.
    package let name: String
    package let shape: Shape
    package let role: Role
    package let region: Region
    package let index: Int
    /// Where in its region it begins.
    package let offset: Int

    /// The elements of its region; of a trained slot, the elements of gradients and optimizer states too.
    package var range: Range<Int> { offset..<offset + shape.count }
}

/// Where in the flat buffer of weights the regions begin behind the trained one.
package struct RegionStarts: Sendable, Equatable {
    package let frozen: Int
    package let buffers: Int

    package func start(of region: ParameterSlot.Region) -> Int {
        switch region {
        case .trained: 0
        case .frozen: frozen
        case .buffers: buffers
        }
    }
}

/// A number for each region.
private struct RegionSizes: Sendable {
    var trained = 0, frozen = 0, buffers = 0

    subscript(region: ParameterSlot.Region) -> Int {
        get {
            switch region {
            case .trained: trained
            case .frozen: frozen
            case .buffers: buffers
            }
        }
        set {
            switch region {
            case .trained: trained = newValue
            case .frozen: frozen = newValue
            case .buffers: buffers = newValue
            }
        }
    }
}
