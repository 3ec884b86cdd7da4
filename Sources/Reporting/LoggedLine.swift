import Diagnostics
import Files
import Foundation

/// A line of `metrics.jsonl`, read back. Keys that it doesn't know do no harm.
package struct LoggedLine: Sendable, Equatable {
    /// `step`, `validation`, `end`, or what a later version writes.
    package let event: String
    package let step: Int?
    package let epoch: Int?
    /// Every value that is a single number, `step` and `epoch` too. Null (NaN in training) is left out.
    package let numbers: [String: Double]
    /// Every value that is a text, but for `event`: how the run ended, a digest, a change.
    package let texts: [String: String]
    /// Its line number in the file, from 1.
    package let line: Int

    /// Nil where the bytes are no JSON object.
    init?(_ bytes: Data, line: Int) {
        // JSONDecoder, since JSONSerialization reads some Doubles (0.30000000000000004) one bit off.
        guard let content = try? JSONDecoder().decode(Content.self, from: bytes) else { return nil }
        event = content.event
        step = content.step
        epoch = content.epoch
        numbers = content.numbers
        texts = content.texts
        self.line = line
    }

    private struct Content: Decodable {
        var event = ""
        var step: Int?
        var epoch: Int?
        var numbers: [String: Double] = [:]
        var texts: [String: String] = [:]

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            for key in container.allKeys {
                switch key.stringValue {
                case "event": event = (try? container.decode(String.self, forKey: key)) ?? ""
                case "step": step = try? container.decode(Int.self, forKey: key)
                case "epoch": epoch = try? container.decode(Int.self, forKey: key)
                default: break
                }
                if let number = try? container.decode(Double.self, forKey: key) {
                    numbers[key.stringValue] = number
                } else if key.stringValue != "event", let text = try? container.decode(String.self, forKey: key) {
                    texts[key.stringValue] = text
                }
            }
        }
    }

    /// Any key.
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

extension MetricsLog {
    /// The lines of a log. A last line without its newline, as a killed run leaves it, is passed over. Throws 66 where
    /// the file is missing, 65 for a line that is not a JSON object and for a link in the file's place, 74 where it can't be
    /// read.
    package static func lines(path: String) throws -> [LoggedLine] {
        let input: InputFile
        do {
            let directory = try reportingSystemErrors(as: .missingInput) { try Directory(Place(parentDirectory(of: path))) }
            input = try InputFile(directory.at(lastComponent(of: path)), fileSystem: directory.fileSystem)
        } catch let failure as Failure where failure.code == .missingInput {
            throw Failure(.missingInput, "\(path): no such log; expected the metrics.jsonl of a run")
        }
        return try completeLines(of: try contents(of: input)).enumerated().map { index, bytes in
            guard let line = LoggedLine(bytes, line: index + 1) else {
                throw Failure(
                    .badData,
                    "\(path):\(index + 1): expected one JSON object per line, found "
                        + "\"\(String(decoding: bytes.prefix(40), as: UTF8.self).filter { !$0.isNewline })\"")
            }
            return line
        }
    }

    /// The lines of the log in a run directory that can be read, and the numbers of those that can't, from 1. No lines where there
    /// is no log yet. A last line without its newline, as one that is being written, is passed over.
    /// - Throws: `Failure`: 65 for anything but a file in the log's place, 74 where it can't be read.
    package static func readableLines(in directory: Directory) throws -> (lines: [LoggedLine], damaged: [Int]) {
        guard try reportingSystemErrors({ try directory.status(of: fileName) }) != nil else { return ([], []) }
        let input = try InputFile(directory.at(fileName), fileSystem: directory.fileSystem)
        var lines: [LoggedLine] = []
        var damaged: [Int] = []
        for (index, bytes) in completeLines(of: try contents(of: input)).enumerated() {
            if let line = LoggedLine(bytes, line: index + 1) { lines.append(line) } else { damaged.append(index + 1) }
        }
        return (lines, damaged)
    }

    /// All bytes of a log.
    static func contents(of input: InputFile) throws -> Data { Data(try input.bytes(at: 0, count: input.byteCount)) }

    /// The lines that end in a newline, without it.
    static func completeLines(of data: Data) -> [Data] {
        var lines: [Data] = []
        var start = data.startIndex
        while let end = data[start...].firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(data[start..<end])
            start = end + 1
        }
        return lines
    }
}
