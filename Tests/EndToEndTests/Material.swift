import Foundation

/// Configurations and data files that the tests share: small and quick.
enum Material {
    /// Four steps on the digits; the line numbers are part of tests.
    static let digits = """
        data: {format: digits}
        model:
          layers:
            - dense: {units: 16}
            - relu
            - dense: {units: 10}
        training: {max_steps: 4, global_batch_size: 64, micro_batch_size: 16}

        """

    /// The digits with another number of steps, more keys of `training`, and more sections.
    static func digits(
        steps: Int, batch: Int = 64, microBatch: Int = 16, training: String = "",
        sections: String = ""
    ) -> String {
        """
        data: {format: digits}
        model:
          layers:
            - dense: {units: 16}
            - relu
            - dense: {units: 10}
        training: {max_steps: \(steps), global_batch_size: \(batch), micro_batch_size: \(microBatch), \
        log_every: 1\(training)}
        \(sections)

        """
    }

    /// Much work without an end, to be interrupted.
    static let endless = """
        data: {format: digits}
        model:
          layers:
            - dense: {units: 64}
            - relu
            - dense: {units: 10}
        training: {max_steps: 100000000, global_batch_size: 64, micro_batch_size: 16, log_every: 1000000}
        validation: {every_epochs: 1000000}
        checkpoint: {every_steps: 1000000000}

        """

    // MARK: - Tables

    /// Two numbers u and v, and a kind: "ash" where u < v, else "birch".
    static func trees(rows: Int = 60) -> [[String]] {
        (0..<rows).map { row in
            let u = Double(row * 37 % 101) / 100
            let v = Double(row * 53 % 89) / 88
            return ["\(u)", "\(v)", u < v ? "ash" : "birch"]
        }
    }

    static func csv(_ rows: [[String]], header: String? = "u,v,kind") -> String {
        (header.map { [$0] } ?? []).appending(rows.map { $0.joined(separator: ",") }).joined(separator: "\n") + "\n"
    }

    /// `trees` with one cell replaced, in line 6 of the file.
    static func csv(column: Int, replacedBy cell: String) -> String {
        var rows = trees()
        rows[4][column] = cell
        return csv(rows)
    }

    /// Trains on a table of `trees`.
    static func table(
        _ path: String, target: String = "kind", units: Int = 2, data: String = "", steps: Int = 4,
        sections: String = ""
    ) -> String {
        """
        data:
          format: csv
          train: {path: \(path), target: \(target)}
        \(data.isEmpty ? "" : "  \(data)\n")\
        model:
          layers:
            - dense: {units: \(units)}
        training: {max_steps: \(steps), global_batch_size: 16, micro_batch_size: 4, log_every: 1}
        \(sections)

        """
    }

    // MARK: - Texts

    /// Messages of which "win" or "cash" makes spam, with words that mean nothing.
    static func messages(rows: Int = 60) -> String {
        let fillers = ["you", "later", "now", "ok", "it's", "🙂", "see", "£5"]
        return "label,message\n"
            + (0..<rows).map { row in
                let words = (0..<row % 5 + 1).map { fillers[(row * 7 + $0 * 3) % 8] }
                let isSpam = row % 3 == 0
                let middle = isSpam ? ["WIN", "cash"][row / 3 % 2] : "home"
                return "\(isSpam ? "spam" : "ham"),\"\((words + [middle, "!"]).joined(separator: " "))\"\n"
            }.joined()
    }

    /// Trains on a table of texts.
    static func texts(
        _ path: String, columns: String = "text: message, target: label", units: Int = 2, data: String = "", steps: Int = 4
    ) -> String {
        """
        data:
          format: texts
          train: {path: \(path), \(columns)}
          \(data)
        model:
          layers:
            - embedding: {embedding_dim: 8}
            - flatten
            - dense: {units: \(units)}
        optimizer: {adam: {learning_rate: 0.02}}
        training: {max_steps: \(steps), global_batch_size: 16, micro_batch_size: 4, log_every: 1}

        """
    }

    // MARK: - Series

    /// Trains on a table of series.
    static func series(_ path: String, columns: String, data: String, units: Int = 1, steps: Int = 4, batch: Int = 16) -> String
    {
        """
        data:
          format: series
          train: {path: \(path), \(columns)}
          \(data)
        model:
          layers:
            - lstm: {units: 12}
            - dense: {units: \(units)}
        loss: mean_squared_error
        optimizer: {adam: {learning_rate: 0.02}}
        training: {max_steps: \(steps), global_batch_size: \(batch), micro_batch_size: \(min(batch, 4)), log_every: 1}

        """
    }

    private static func level(_ month: Int, _ station: Int) -> Double {
        8 * sin(Double(month) / 12 * 2 * .pi + Double(station)) + 20 * Double(station + 1)
    }

    /// Two stations, their months in turn: five years of a level that comes again each year, and of rain.
    static func stations() -> String {
        "station,date,level,rain\n"
            + (0..<60).flatMap { month in
                ["north", "south"].enumerated().map { place, name in
                    "\(name),\(date(month)),\(level(month, place)),\(month * 7 % 5)\n"
                }
            }.joined()
    }

    private static func date(_ month: Int) -> String { "\(2000 + month / 12)-\(month % 12 < 9 ? "0" : "")\(month % 12 + 1)" }

    /// What comes in the three months behind.
    static func stationsGoOn() -> [(station: String, date: String, level: Double)] {
        ["north", "south"].enumerated().flatMap { place, name in (60..<63).map { (name, date($0), level($0, place)) } }
    }

    /// Series of 5 to 12 steps, that rise or go up and down.
    static func waves(_ count: Int) -> [(name: String, values: [Double])] {
        (0..<count).map { series in
            let length = 5 + series * 7 % 8
            let shift = Double(series % 5) / 10
            return series % 2 == 0
                ? ("rise", (0..<length).map { Double($0) / 5 - 1 + shift })
                : ("wave", (0..<length).map { ($0 + series / 2) % 2 == 0 ? 1 - shift : -1 })
        }
    }

    /// Trains on a file of classified series.
    static func classifiedSeries(_ path: String, data: String = "", steps: Int = 4) -> String {
        """
        data:
          format: ucr
          train: {path: \(path)}
          \(data)
        model:
          layers:
            - gru: {units: 8}
            - dense: {units: 2}
        optimizer: {adam: {learning_rate: 0.02}}
        training: {max_steps: \(steps), global_batch_size: 16, micro_batch_size: 4, log_every: 1}

        """
    }

    // MARK: - IDX files

    /// An IDX file: two zero bytes, the type, the number of dimensions, the dimensions, the elements
    /// (http://yann.lecun.com/exdb/mnist/).
    static func idx(_ dimensions: [Int], _ elements: [UInt8], type: UInt8 = 8) -> [UInt8] {
        [0, 0, type, UInt8(dimensions.count)]
            + dimensions.flatMap { size in
                (0..<4).map { UInt8(truncatingIfNeeded: size >> (24 - 8 * $0)) }
            } + elements
    }

    static let imageCount = 42

    /// Images of 4×4 pixels; a bright row tells the class.
    static let images: [UInt8] = {
        var pixels: [UInt8] = []
        for image in 0..<imageCount {
            for pixel in 0..<16 {
                let isBright = pixel / 4 == image % 3
                pixels.append(UInt8(isBright ? 200 + image % 7 : pixel + image % 11))
            }
        }
        return idx([imageCount, 4, 4], pixels)
    }()

    /// The classes of the images, 0 to 2.
    static let labels = idx([imageCount], (0..<imageCount).map { UInt8($0 % 3) })

    /// Trains on IDX files.
    static func pictures(
        inputs: String = "x", targets: String = "y", units: Int = 3, data: String = "",
        steps: Int = 4, sections: String = ""
    ) -> String {
        """
        data:
          format: idx
          train: {inputs: \(inputs), targets: \(targets)}
        \(data.isEmpty ? "" : "  \(data)\n")\
        model:
          layers:
            - flatten
            - dense: {units: \(units)}
        training: {max_steps: \(steps), global_batch_size: 16, micro_batch_size: 4, log_every: 1}
        \(sections)

        """
    }
}

extension Array {
    fileprivate func appending(_ others: [Element]) -> [Element] { self + others }
}
