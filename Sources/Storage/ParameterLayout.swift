/// Where every parameter lies in the flat buffers of weights, gradients and optimizer states. Layers reserve named slots when
/// they are built; nobody numbers a parameter by hand.
///
/// Weights have three regions, one behind the other: what is trained, what is frozen, and buffers, which are computed rather
/// than trained (running averages). Gradients and optimizer states have the first one only, so frozen slots cost neither
/// exchange nor state. Each region begins on a block.
///
/// A weight that several layers use lies at its front-most use. Every later use has a gradient of its own, in a region of
/// gradients behind the trained one: it is summed along the tree for itself, and the owner of the weight adds the sums in the
/// order of the uses.
package struct ParameterLayout: Sendable {
    /// Slots begin on cache lines.
    package static let slotAlignment = 16
    /// The unit in which the buffer is cut into owners' slices, and of the gradient norm's sum.
    package static let blockSize = 1024

    package private(set) var slots: [ParameterSlot] = []
    /// The later uses of weights that several layers use, in order.
    package private(set) var laterUses: [LaterUse] = []
    /// What later uses of a weight would be called as weights of their own, as in PyTorch's state dicts, and the weight's name.
    package private(set) var aliases: [(name: String, slot: String)] = []
    private var used = RegionSizes()

    package init() {}

    /// Reserves room for a parameter. `name` is unique; two layers with one name are a configuration error found before.
    package mutating func reserve(
        name: String, shape: Shape, role: ParameterSlot.Role,
        region: ParameterSlot.Region = .trained
    ) -> ParameterSlot {
        precondition(!slots.contains { $0.name == name }, "two parameters named \(name)")
        let slot = ParameterSlot(
            name: name, shape: shape, role: role, region: region, index: slots.count,
            offset: used[region])
        slots.append(slot)
        used[region] += (shape.count + Self.slotAlignment - 1) / Self.slotAlignment * Self.slotAlignment
        return slot
    }

    /// Another use of a slot, behind those that there are: the same weights, and where it is trained a gradient of its own.
    ///
    /// - Parameter alias: what it would be called as a slot of its own.
    package mutating func reserveUse(of slot: ParameterSlot, as alias: String) -> ParameterSlot {
        aliases.append((alias, slot.name))
        guard slot.region == .trained else { return slot }
        let use = LaterUse(slot: slot, firstBlock: laterUses.last.map { $0.firstBlock + $0.blockCount } ?? 0)
        laterUses.append(use)
        return slot.used(laterUse: use)
    }

    /// What of a flat buffer of gradients belongs to a slice.
    package struct GradientPart: Sendable {
        /// The elements of what is trained, in whole blocks, that it is about, and those of them that its weight takes.
        package let blocks: Range<Int>, weight: Range<Int>
        /// The elements of the flat buffer of gradients, as many as in `blocks`.
        package let gradients: Range<Int>
    }

    /// The slice itself, and then every later use of a weight that lies in it, in order.
    package func gradientParts(of slice: Range<Int>) -> [GradientPart] {
        [GradientPart(blocks: slice, weight: slice, gradients: slice)]
            + laterUses.compactMap { use in
                let blocks = use.blocks.clamped(to: slice)
                guard !blocks.isEmpty else { return nil }
                return GradientPart(
                    blocks: blocks, weight: use.slot.range.clamped(to: blocks),
                    gradients: use.gradients(of: blocks, in: self))
            }
    }

    /// How many numbers the layers were given as parameters, trained or frozen, without padding and buffers.
    package var parameterCount: Int { count(of: .trained) + count(of: .frozen) }

    /// The numbers of a region's slots, without padding.
    package func count(of region: ParameterSlot.Region) -> Int {
        slots.reduce(0) { $0 + ($1.region == region ? $1.shape.count : 0) }
    }

    /// The number of blocks of what is trained.
    package var blockCount: Int { Self.blocks(used.trained) }

    /// Elements of an averaged gradient or of an optimizer's state: all trained slots, padded with zeros to whole blocks.
    package var trainedCount: Int { blockCount * Self.blockSize }

    /// Elements of a flat buffer of gradients: those of what is trained, and behind them those of later uses.
    package var gradientCount: Int {
        trainedCount + (laterUses.last.map { ($0.firstBlock + $0.blockCount) * Self.blockSize } ?? 0)
    }

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
        let first = owner * blockCount / ownerCount
        let end = (owner + 1) * blockCount / ownerCount
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
    /// Where in the region of later uses the gradient of this use begins; nil at the slot's first use.
    package private(set) var useOffset: Int?

    /// The elements of its region; of a trained slot, the elements of gradients and optimizer states too.
    package var range: Range<Int> { offset..<offset + shape.count }

    fileprivate init(name: String, shape: Shape, role: Role, region: Region, index: Int, offset: Int) {
        self.name = name
        self.shape = shape
        self.role = role
        self.region = region
        self.index = index
        self.offset = offset
    }

    fileprivate func used(laterUse: LaterUse) -> ParameterSlot {
        var result = self
        result.useOffset = laterUse.firstBlock * ParameterLayout.blockSize + offset % ParameterLayout.blockSize
        return result
    }
}

/// A later use of a weight. Its gradient has room for the blocks in which the slot lies, and lies in them as the slot does, so
/// that owners add block to block.
package struct LaterUse: Sendable {
    package let slot: ParameterSlot
    /// The block of the region of later uses in which it begins.
    fileprivate let firstBlock: Int

    fileprivate init(slot: ParameterSlot, firstBlock: Int) {
        self.slot = slot
        self.firstBlock = firstBlock
    }

    /// The blocks of what is trained in which the slot lies, as elements.
    package var blocks: Range<Int> {
        let size = ParameterLayout.blockSize
        return slot.range.lowerBound / size * size..<(slot.range.upperBound + size - 1) / size * size
    }

    fileprivate var blockCount: Int { blocks.count / ParameterLayout.blockSize }

    /// The elements of a flat buffer of gradients that belong to the elements `range` of what is trained, which lie in
    /// `blocks`.
    package func gradients(of range: Range<Int>, in layout: ParameterLayout) -> Range<Int> {
        precondition(range.lowerBound >= blocks.lowerBound && range.upperBound <= blocks.upperBound, "\(range) of \(blocks)")
        let start = layout.trainedCount + firstBlock * ParameterLayout.blockSize + range.lowerBound - blocks.lowerBound
        return start..<start + range.count
    }
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
