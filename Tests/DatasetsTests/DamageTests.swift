import Datasets
import Diagnostics
import Foundation
import Storage
import Testing

/// Files damaged at random: whatever they hold, they are read or refused with a failure, and never trap.
struct DamageTests {
    private let random = RandomStream(seed: 1, purpose: .gradientCheck)

    /// `bytes` with a few of them changed, taken out or put in, from `alphabet`.
    private func damaged(_ bytes: [UInt8], _ alphabet: [UInt8], round: Int) -> [UInt8] {
        var bytes = bytes
        for change in 0...random.integer(below: 4, 0, ordinal: UInt64(round)) {
            let index = UInt32(change * 3 + 1)
            let ordinal = UInt64(round)
            let place = random.integer(below: bytes.count, index, ordinal: ordinal)
            let byte = alphabet[random.integer(below: alphabet.count, index + 1, ordinal: ordinal)]
            switch random.integer(below: 3, index + 2, ordinal: ordinal) {
            case 0: bytes[place] = byte
            case 1: bytes.insert(byte, at: place)
            default: if bytes.count > 1 { bytes.remove(at: place) }
            }
        }
        return bytes
    }

    /// Loads, gathers and hashes; how often that was refused.
    private func refusals(rounds: Int, _ splits: (Int) throws -> DataSplits) throws -> Int {
        var count = 0
        for round in 0..<rounds {
            do {
                let splits = try splits(round)
                _ = splits.train.inputRows()
                _ = try splits.train.digest()
            } catch let failure as Failure {
                #expect([.badData, .badConfiguration].contains(failure.code), "\(failure.message)")
                count += 1
            }
        }
        return count
    }

    @Test("damaged tables are read or refused", arguments: [",", "space", ";"])
    func tables(_ delimiter: String) throws {
        let files = try TestFiles()
        let blank = delimiter == "space" ? " " : delimiter
        let text = "a,b,y\n1,red,cat\n\"2\",\"bl\"\"ue\",dog\n3.5e1,?,cat\r\n".replacingOccurrences(of: ",", with: blank)
        let alphabet = Array("\",;\n\r\t 0e.-?x\u{FEFF}".utf8) + [0, 0xFF]
        let refused = try refusals(rounds: 600) { round in
            let path = try files.write("table.csv", damaged(Array(text.utf8), alphabet, round: round))
            return try load(
                "format: csv\nmissing: mean\nstandardize: true\nvalidation_fraction: 0.4\n"
                    + "train: {path: \(path), target: -1, delimiter: \"\(delimiter)\"}")
        }
        #expect(refused > 100 && refused < 600)
    }

    @Test("damaged IDX files, plain and gzip, are read or refused", arguments: [false, true])
    func idxFiles(_ isCompressed: Bool) throws {
        let files = try TestFiles()
        let inputs = idx(type: 0x0D, [3, 2], [1, 2, 3, 4, 5, 6].flatMap { bigEndian(Float($0).bitPattern) })
        let original = isCompressed ? try gzip(inputs) : inputs
        let targets = try files.write("targets", idx([3], [0, 1, 2]))
        let refused = try refusals(rounds: 600) { round in
            let path = try files.write("inputs-\(round)", damaged(original, Array(0...255), round: round))
            return try load("format: idx\ntrain: {inputs: \(path), targets: \(targets)}\nstandardize: true")
        }
        #expect(refused > 100 && refused < 600)
    }
}
