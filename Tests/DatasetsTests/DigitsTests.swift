import Datasets
import Diagnostics
import Storage
import Testing

struct DigitsTests {
    @Test("the digits are the default: 1,438 images to train on, every fifth of 1,797 for validation")
    func counts() throws {
        let splits = try load("split_seed: 0")
        let validation = try #require(splits.validation)
        #expect(splits.train.count == 1438 && validation.count == 359)
        #expect(splits.train.inputShape == Shape([64]))
        #expect(splits.train.targetKind == .classes(count: 10))
        #expect(splits.train.classNames == nil)
        // The first images are 0, 1, 2, 3, 4, 5 …; image 4 is the first for validation.
        #expect(splits.train.classList.prefix(8) == [0, 1, 2, 3, 5, 6, 7, 8])
        #expect(validation.classList.prefix(2) == [4, 9])
    }

    @Test("pixels are 0 to 16, divided by 16, and add up to what the source adds up to")
    func pixels() throws {
        let splits = try load("format: digits")
        let first: [Float] = [0, 0, 5, 13, 9, 1, 0, 0]
        #expect(splits.train.inputRows([0])[0].prefix(8) == first.map { $0 / 16 }[...])
        let raw = try load("normalize: {scale: 1}")
        let both = [raw.train, try #require(raw.validation)]
        // awk -F, '{for (i = 1; i <= 64; i++) s += $i} END {print s}' digits.csv
        #expect(both.reduce(0) { $0 + $1.inputRows().joined().reduce(0) { $0 + Int($1) } } == 561_718)
        #expect(both.reduce(0) { $0 + $1.classList.reduce(0) { $0 + Int($1) } } == 8070)
    }

    @Test("every byte is that of the source")
    func checksum() throws {
        // From the source's rows r of either part, in Python:
        // h = hashlib.sha256(f"dtrain data 1 {len(part)} [64] one of 10 classes []\nunsigned8\n".encode()
        //                    + struct.pack("<dd", 0, 1))
        // for r in part: h.update(bytes(r[:64]) + struct.pack("<i", r[64]))
        let raw = try load("normalize: {scale: 1}")
        #expect(try raw.train.digest() == "c12e836626d9ee65bcc2d0ccead0869496001bc1b231051f7f7749abecaec468")
        #expect(
            try #require(raw.validation).digest()
                == "434849a425cc19b6aa52ccaa23a26fd4936679f27638c05806ab41fbc6deabcb")
    }

    @Test("options that contradict the built-in digits are refused")
    func contradictions() throws {
        expectFailure(.badConfiguration, "data.train", "splits of their own") {
            _ = try configuration("train: {inputs: a, targets: b}")
        }
        expectFailure(.badConfiguration, "10 classes") { _ = try configuration("classes: 3") }
        expectFailure(.badConfiguration, "10 classes") { _ = try configuration("target_kind: value") }
    }
}
