import Foundation

/// The tables that some configurations train on: odd numbers of rows and columns, the same in every run.
enum Tables {
    static func write(to bench: Bench) throws {
        try bench.write("answers.csv", text(rows: 145, columns: 13) { _, sum in sum > 0.1 ? "yes" : "no" })
        try bench.write("numbers.csv", text(rows: 131, columns: 9) { row, sum in "\(sum * 3 + Double(row % 7) / 10)" })
        // A sample whose loss is no number, and one whose loss is one but not its gradient: steps with them are skipped.
        try bench.write("extreme.csv", text(rows: 60, columns: 5, extremes: [23: "3.4e38", 41: "1e25"]) { _, sum in "\(sum)" })
        try bench.write("text.txt", prose(characters: 5003))
        let sentences = prose(characters: 5003).split(separator: "\n").enumerated().map { row, sentence in
            "\"\(sentence)\",\(["calm", "loud", "odd"][row % 3])\n"
        }
        try bench.write("sentences.csv", "text,kind\n" + sentences.joined())
        // Five places, a row of each for a day.
        let days = text(rows: 325, columns: 2, seed: 4) { _, sum in "\(sum)" }.split(separator: "\n").dropFirst().enumerated()
        try bench.write(
            "stations.csv",
            "x0,x1,y,place,day\n"
                + days.map { "\($1),p\($0 % 5),2000-\($0 / 5 < 31 ? "01" : $0 / 5 < 60 ? "02" : "03")-\(twoDigits($0 / 5))\n" }
                .joined())
        // Three classes of 3 to 15 steps.
        let steps = text(rows: 167, columns: 29, seed: 6) { row, _ in "\(row % 3)" }.split(separator: "\n").dropFirst()
        let paths = steps.enumerated().map { row, line in
            let cells = line.split(separator: ",")
            let length = 3 + row * 7 % 13
            return cells[..<length].joined(separator: ",") + ":" + cells[(29 - length)..<29].joined(separator: ",")
                + ":\(cells[29])\n"
        }
        try bench.write("paths.ts", "@dimensions 2\n@equalLength false\n@classLabel true 0 1 2\n@data\n" + paths.joined())
        // Weights 0 to 1.5 in the first column, a batch of nothing but 0 among them; the rest are features.
        try bench.write(
            "weighted.csv",
            text(rows: 149, columns: 9) { row, sum in
                "\(sum > 0 ? "up" : "down"),\(row / 8 == 3 ? 0 : Double(row % 7) / 4)"
            }.replacingOccurrences(of: ",y\n", with: ",y,w\n"))
        // Three channels of 8 × 7 bytes.
        var state: UInt64 = 5
        let pictures = (0..<331 * 168).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 40)
        }
        try bench.write("pictures.idx", [0, 0, 8, 4, 0, 0, 1, 75, 0, 0, 0, 3, 0, 0, 0, 8, 0, 0, 0, 7] + pictures)
        try bench.write("kinds.idx", [0, 0, 8, 1, 0, 0, 1, 75] + (0..<331).map { UInt8($0 % 5) })
        try bench.write("usual.csv", text(rows: 31, columns: 5, seed: 9) { _, sum in "\(sum)" })
    }

    /// The day of the month of the so-manieth day of 2000, up to March.
    private static func twoDigits(_ day: Int) -> String {
        let number = (day < 31 ? day : day < 60 ? day - 31 : day - 60) + 1
        return number < 10 ? "0\(number)" : "\(number)"
    }

    /// Words of some letters, with repetitions as a text has them.
    private static func prose(characters count: Int) -> String {
        var state: UInt64 = 3
        var text = ""
        while text.count < count {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            for index in 0...Int(state >> 60) % 6 {
                let letter = UInt8(97 + (state >> UInt64(8 * index + 13)) % 23)
                text.unicodeScalars.append(Unicode.Scalar(letter))
            }
            text += (state >> 33) % 7 == 0 ? ".\n" : " "
        }
        return String(text.prefix(count))
    }

    private static func text(
        rows: Int, columns: Int, extremes: [Int: String] = [:], seed: UInt64 = 1,
        target: (_ row: Int, _ sum: Double) -> String
    ) -> String {
        // Knuth's 64-bit linear congruence (MMIX).
        var state = seed
        func next() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 40) / Double(1 << 24) * 2 - 1
        }
        var lines = [(0..<columns).map { "x\($0)" }.joined(separator: ",") + ",y"]
        for row in 0..<rows {
            let values = (0..<columns).map { _ in next() }
            let sum = values.enumerated().reduce(0) { $0 + $1.element * ($1.offset % 2 == 0 ? 1 : -0.5) }
            let written = values.map { extremes[row] ?? "\($0)" }
            lines.append(written.joined(separator: ",") + "," + target(row, sum))
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
