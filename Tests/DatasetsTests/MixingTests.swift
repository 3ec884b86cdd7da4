import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// Augmentations that mix a sample with another one of its step's global batch.
struct MixingTests {
    private static let count = 12
    /// The samples in the order of an epoch.
    private static let order = (0..<Int32(count)).map { ($0 * 5 + 3) % Int32(count) }
    private static let batch = DrawnBatch(samples: order[...], firstDraw: 40, step: 3)

    let files: TestFiles

    init() throws { files = try TestFiles() }

    /// Two channels of 6 × 5 bytes: those of sample s are all 20·s, or with `varied` all different. Its class is s.
    private func train(_ augmentation: String, varied: Bool = false, extra: String = "") throws -> Dataset {
        let folder = try files.subdirectory()
        defer { withExtendedLifetime(folder) {} }
        let images: [UInt8] = (0..<Self.count * 60).map { place in
            let number: Int = varied ? place * 7 % 251 : place / 60 * 20
            return UInt8(number)
        }
        let inputs = try folder.write("x", idx([Self.count, 2, 6, 5], images))
        let targets = try folder.write("y", idx([Self.count], (0..<Self.count).map { UInt8($0) }))
        let configuration = try configuration(
            "format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}\naugment: \(augmentation)\n\(extra)")
        return try configuration.load().augmented(
            by: configuration.augmentations, seed: 1, globalBatchSize: Self.count
        ).train
    }

    /// The classes that a target consists of, with their shares.
    private func shares(_ target: [Float]) -> [(sample: Int, share: Float)] {
        target.enumerated().filter { $0.element != 0 }.map { ($0.offset, $0.element) }
    }

    private func targets(_ train: Dataset, in batch: DrawnBatch = batch) -> [[Float]] {
        train.targetRows(columns: Self.count, batch.samples, in: batch)
    }

    @Test("mixup mixes inputs in the shares of the targets, and each sample with one that is nobody else's partner")
    func mixup() throws {
        for step in 0..<30 {
            let batch = DrawnBatch(samples: Self.order[...], firstDraw: UInt64(step * Self.count), step: step)
            let train = try train("[mixup: 1]")
            let inputs = train.inputRows(batch.samples, in: batch)
            var partners: [Int] = []
            for (place, target) in targets(train, in: batch).enumerated() {
                let own = Int(Self.order[place])
                let found = shares(target)
                #expect(found.contains { $0.sample == own } && found.count <= 2)
                let other = found.first { $0.sample != own }
                partners.append(other?.sample ?? own)
                let share = target[own]
                if let other {
                    #expect(other.share == 1 - share)
                    let mixed = Float(own * 20) * share + Float(other.sample * 20) * (1 - share)
                    #expect(inputs[place].allSatisfy { $0 == mixed })
                } else {
                    #expect(share == 1 && inputs[place].allSatisfy { $0 == Float(own * 20) })
                }
            }
            #expect(partners.sorted() == Array(0..<Self.count), "step \(step)")
        }
    }

    @Test("cutmix takes one box of all channels from the partner, and its share of the pixels is that of the target")
    func cutmix() throws {
        var (boxes, reachesEdge) = (0, 0)
        for step in 0..<60 {
            let batch = DrawnBatch(samples: Self.order[...], firstDraw: UInt64(step * Self.count), step: step)
            let train = try train("[cutmix: 1]")
            let inputs = train.inputRows(batch.samples, in: batch)
            for (place, target) in targets(train, in: batch).enumerated() {
                let own = Int(Self.order[place])
                let cut = (0..<30).filter { inputs[place][$0] != Float(own * 20) }
                #expect(cut == (0..<30).filter { inputs[place][30 + $0] != Float(own * 20) })
                let other = shares(target).first { $0.sample != own }
                #expect(target[own] == Float(1 - Double(cut.count) / 30))
                guard let other else { continue }
                boxes += 1
                #expect(cut.allSatisfy { inputs[place][$0] == Float(other.sample * 20) })
                let (rows, columns) = (cut.map { $0 / 5 }, cut.map { $0 % 5 })
                let height = (rows.max() ?? 0) - (rows.min() ?? 0) + 1, width = (columns.max() ?? 0) - (columns.min() ?? 0) + 1
                #expect(height * width == cut.count)
                if rows.contains(0) || columns.contains(0) || rows.contains(5) || columns.contains(4) { reachesEdge += 1 }
            }
        }
        #expect(boxes > 300 && reachesEdge > 50 && reachesEdge < boxes)
    }

    @Test("a box that isn't cut off has torchvision's sides: twice the whole part of half of √(1 − λ) of the image's")
    func boxSizes() throws {
        // λ is within 0.42 … 0.58 here (five deviations), so that half of √(1 − λ) is 0.32 … 0.38: 32·it is 10 … 12, 20·it 6 or 7.
        let folder = try files.subdirectory()
        defer { withExtendedLifetime(folder) {} }
        let inputs = try folder.write(
            "x", idx([2, 32, 20], [UInt8](repeating: 0, count: 640) + [UInt8](repeating: 9, count: 640)))
        let targets = try folder.write("y", idx([2], [0, 1]))
        let configuration = try configuration(
            "format: idx\ntrain: {inputs: \(inputs), targets: \(targets)}\naugment: [cutmix: 500]")
        let train = try configuration.load().augmented(by: configuration.augmentations, seed: 1, globalBatchSize: 2).train
        var seen: Set<[Int]> = []
        var middles: Set<Int> = []
        for step in 0..<600 {
            let batch = DrawnBatch(samples: [0, 1], firstDraw: UInt64(2 * step), step: step)
            let row = train.inputRows(batch.samples, in: batch)[0]
            let cut = row.indices.filter { row[$0] == 9 }
            let (rows, columns) = (Set(cut.map { $0 / 20 }), Set(cut.map { $0 % 20 }))
            guard let top = rows.min(), let bottom = rows.max(), let left = columns.min(), let right = columns.max() else {
                continue
            }
            if top > 0 && bottom < 31 && left > 0 && right < 19 {
                seen.insert([rows.count, columns.count])
                middles.insert(top + rows.count / 2)
            }
        }
        #expect(seen.allSatisfy { [20, 22, 24].contains($0[0]) && [12, 14].contains($0[1]) } && seen.count > 1, "\(seen)")
        // Any pixel may be the middle: all of those from whose box nothing is cut off are.
        #expect(middles.contains(15) && middles.contains(16))
    }

    @Test(
        "a partner has been changed by its own draw by what comes before in the list, and the mix by what comes behind",
        arguments: ["mixup: {alpha: 0.4}", "cutmix"])
    func order(mixing: String) throws {
        let before = "shift: 2, horizontal_flip, gaussian_noise: 3"
        let prepared = try train("[\(before)]", varied: true).inputRows(Self.batch.samples, in: Self.batch)
        let train = try train("[\(before), \(mixing)]", varied: true)
        let mixed = train.inputRows(Self.batch.samples, in: Self.batch)
        var changed = 0
        for (place, target) in targets(train).enumerated() {
            let own = Int(Self.order[place])
            let other = shares(target).first { $0.sample != own }
            guard let other, let partner = Self.order.firstIndex(of: Int32(other.sample)) else {
                #expect(mixed[place] == prepared[place])
                continue
            }
            changed += 1
            let (share, rest) = (target[own], 1 - target[own])
            let isBlend = mixing.hasPrefix("mixup")
            for index in 0..<60 {
                let (mine, theirs) = (prepared[place][index], prepared[partner][index])
                let found = mixed[place][index]
                #expect(isBlend ? found == mine * share + theirs * rest : found == mine || found == theirs)
            }
        }
        #expect(changed > 6)
        // Behind a flip that always happens, the same mirrored.
        let flipped = try self.train("[\(before), \(mixing), vertical_flip: 1]", varied: true)
        let mirrored: [Int] = (0..<60).map { (place: Int) -> Int in
            let (plane, row, column) = (place / 30, place % 30 / 5, place % 5)
            return plane * 30 + (5 - row) * 5 + column
        }
        let expected = mixed.map { row in mirrored.map { row[$0] } }
        #expect(flipped.inputRows(Self.batch.samples, in: Self.batch) == expected)
    }

    @Test("a second mix has partners of its own, which are mixed themselves")
    func twice() throws {
        let first = try train("[mixup: 1]", varied: true)
        let once = first.inputRows(Self.batch.samples, in: Self.batch), onceTargets = targets(first)
        let both = try train("[mixup: 1, cutmix: 1]", varied: true)
        let twice = both.inputRows(Self.batch.samples, in: Self.batch), twiceTargets = targets(both)
        let partners = RandomStream(seed: 1, purpose: .partners, layer: 1).permutation(count: Self.count, ordinal: 3)
        #expect(partners != RandomStream(seed: 1, purpose: .partners, layer: 0).permutation(count: Self.count, ordinal: 3))
        var most = 0
        for place in 0..<Self.count {
            let partner = Int(partners[place])
            let cut = (0..<30).filter { twice[place][$0] != once[place][$0] }
            for index in 0..<60 {
                let isCut = cut.contains(index % 30)
                #expect(twice[place][index] == (isCut ? once[partner][index] : once[place][index]))
            }
            let share = Float(1 - Double(cut.count) / 30)
            for (index, number) in twiceTargets[place].enumerated() {
                let expected =
                    cut.isEmpty
                    ? onceTargets[place][index] : onceTargets[place][index] * share + onceTargets[partner][index] * (1 - share)
                #expect(number == expected)
            }
            most = max(most, shares(twiceTargets[place]).count)
        }
        #expect(most > 2)
    }

    @Test(
        "any slices of a batch, gathered in any order, are those of the whole; another step has others",
        arguments: ["[mixup]", "[cutmix: {alpha: 1, probability: 0.6}]", "[shift: 1, mixup: 0.5, rotate: 20, cutmix]"])
    func slices(augmentation: String) throws {
        let train = try train(augmentation, varied: true)
        let all = train.inputRows(Self.batch.samples, in: Self.batch), allTargets = targets(train)
        let other = DrawnBatch(samples: Self.batch.samples, firstDraw: Self.batch.firstDraw, step: 4)
        #expect(train.inputRows(other.samples, in: other) != all)
        #expect(targets(train, in: other) != allTargets)
        for range in [5..<9, 0..<1, 11..<12, 3..<12, 0..<12] {
            let part = Self.batch.samples[range]
            #expect(train.inputRows(part, in: Self.batch) == Array(all[range]))
            #expect(train.targetRows(columns: Self.count, part, in: Self.batch) == Array(allTargets[range]))
        }
        // Not from the beginning of an epoch's order, and a short batch.
        let late = (0..<Int32(7)).map { $0 } + Self.order
        let moved = DrawnBatch(samples: late[7...], firstDraw: 40, step: 3)
        #expect(train.inputRows(moved.samples, in: moved) == all)
        let short = DrawnBatch(samples: Self.order[...4], firstDraw: 40, step: 3)
        #expect(
            targets(train, in: short).allSatisfy { row in
                self.shares(row).allSatisfy { Self.order[...4].contains(Int32($0.sample)) }
            })
        // Evaluation sees no trace of it.
        #expect(train.targetRows(columns: Self.count, Self.batch.samples, in: nil).allSatisfy { $0.max() == 1 })
    }

    @Test("probability says how many samples are mixed")
    func probability() throws {
        #expect(targets(try train("[mixup: {alpha: 1, probability: 0}]")).allSatisfy { $0.max() == 1 })
        let half = try train("[mixup: {alpha: 1, probability: 0.5}]")
        var mixed = 0
        for step in 0..<100 {
            let batch = DrawnBatch(samples: Self.order[...], firstDraw: UInt64(step * Self.count), step: step)
            mixed += targets(half, in: batch).filter { ($0.max() ?? 1) < 1 }.count
        }
        // Of 1,200 samples one in twelve is its own partner: 550, within five deviations of 17.3.
        #expect((463...637).contains(mixed), "\(mixed)")
    }

    @Test("samples and targets that can't be mixed are refused by name, and so are options that mean nothing")
    func refused() throws {
        let table = try files.write("t.csv", "a,b,w,y\n" + (0..<20).map { "\($0),1,2,\($0 % 2)\n" }.joined())
        let csv = "format: csv\ntrain: {path: \(table), target: y}\n"
        let text = try files.write("t.txt", String(repeating: "abc", count: 50))
        func refuse(_ yaml: String, _ parts: String...) {
            for part in parts {
                expectFailure(.badConfiguration, part) {
                    let configuration = try configuration(yaml)
                    _ = try configuration.load().augmented(by: configuration.augmentations, seed: 1, globalBatchSize: 4)
                }
            }
        }
        for kind in ["mixup", "cutmix"] {
            refuse(
                "augment: [\(kind)]\ntarget_kind: input", "data.augmentation: \(kind) mixes targets", "leave out one of the two"
            )
            refuse("format: text\ntrain: {path: \(text)}\ncontext: 4\naugment: [\(kind)]", "data.augment: tokens are names")
            refuse(
                "format: csv\ntrain: {path: \(table), target: y, weight: w}\naugment: [\(kind)]",
                "leave out \(kind) or data.train.weight")
            refuse("augment: [\(kind): 0]", "augment[0].\(kind).alpha: expected a number from 0.001 to 1000.0")
            refuse("augment: [\(kind): {alpha: 1, probability: 2}]", "from 0.0 to 1.0")
            refuse("augment: [\(kind): {alpah: 1}]", "did you mean \"alpha\"")
        }
        refuse("\(csv)augment: [cutmix]", "cutmix changes images, but a sample has the shape [3]")
        let mixing = try configuration("\(csv)augment: [mixup: 1]")
        let train = try mixing.load().augmented(by: mixing.augmentations, seed: 1, globalBatchSize: 20).train
        let batch = DrawnBatch(samples: (0..<20).map { Int32($0) }[...], firstDraw: 0, step: 0)
        // One number as the target of two classes: the share of the second one.
        let answers = train.targetRows(columns: 1, batch.samples, in: batch).map { $0[0] }
        #expect(answers.allSatisfy { (0...1).contains($0) } && answers.contains { $0 > 0 && $0 < 1 })
        let inputs = train.inputRows(batch.samples, in: batch)
        #expect(inputs.allSatisfy { row in abs(row[2] - 2) < 1e-6 && abs(row[1] - 1) < 1e-6 })
    }
}
