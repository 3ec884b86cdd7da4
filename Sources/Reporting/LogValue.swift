import Diagnostics
import Foundation

/// A value in JSON: in a line of `metrics.jsonl`, in what a command prints.
package enum LogValue: Sendable, Equatable {
    /// Also what numbers become that JSON doesn't have: NaN and infinities.
    case null
    case integer(Int)
    /// Written with the fewest digits that read back as the same Double.
    case number(Double)
    case text(String)
    case list([LogValue])
    case object([LogLine.Field])

    /// A list of numbers.
    package static func numbers(_ numbers: [Double]) -> LogValue { .list(numbers.map(LogValue.number)) }

    /// The value as JSON, on one line.
    package var json: String {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the value as JSON.
    func write(to line: inout [UInt8]) {
        switch self {
        case .null: line.append(contentsOf: "null".utf8)
        case .integer(let number): line.append(contentsOf: String(number).utf8)
        case .number(let number): line.append(contentsOf: number.isFinite ? "\(number)".utf8 : "null".utf8)
        case .text(let text): line.append(contentsOf: Self.quoted(text))
        case .list(let values):
            line.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { line.append(UInt8(ascii: ",")) }
                value.write(to: &line)
            }
            line.append(UInt8(ascii: "]"))
        case .object(let fields):
            line.append(UInt8(ascii: "{"))
            for (index, field) in fields.enumerated() {
                if index > 0 { line.append(UInt8(ascii: ",")) }
                line.append(contentsOf: Self.quoted(field.name))
                line.append(UInt8(ascii: ":"))
                field.value.write(to: &line)
            }
            line.append(UInt8(ascii: "}"))
        }
    }

    /// A text as JSON, on one line that a terminal only shows.
    static func quoted(_ text: String) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        // A text always encodes; the fallback spares a trap.
        let bytes = (try? encoder.encode(text)).map(Array.init) ?? Array("\"\"".utf8)
        guard bytes.contains(where: { $0 >= 0x7f }) else { return bytes }
        // JSON itself asks for escapes of the first 32 only (RFC 8259, section 7).
        var shown = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            guard scalar.drivesTerminal else {
                shown.unicodeScalars.append(scalar)
                continue
            }
            for unit in String(scalar).utf16 { shown += String(format: "\\u%04x", UInt32(unit)) }
        }
        return Array(shown.utf8)
    }
}

/// What a line of `metrics.jsonl` tells of.
package enum LogEvent: String, Sendable {
    /// An optimizer step: its loss, before the update.
    case step
    /// A pass over the validation split.
    case validation
    /// The end of the run. Cut when the run goes on.
    case end
    /// The samples that a step used.
    case audit
    /// Something that changed the run (an option changed at a resume).
    case change
}

/// One line of `metrics.jsonl`, to be written.
package struct LogLine: Sendable, Equatable {
    package let event: LogEvent
    /// The global step after which it was written.
    package let step: Int
    package let epoch: Int?
    /// What follows `event`, `step` and `epoch`, in this order.
    package var fields: [Field]

    package struct Field: Sendable, Equatable {
        package let name: String
        package let value: LogValue

        package init(_ name: String, _ value: LogValue) {
            self.name = name
            self.value = value
        }
    }

    package init(_ event: LogEvent, step: Int, epoch: Int? = nil, fields: [Field] = []) {
        self.event = event
        self.step = step
        self.epoch = epoch
        self.fields = fields
    }

    /// Appends the line with its newline.
    package func write(to bytes: inout [UInt8]) {
        Self.writeStart(event, step: step, epoch: epoch, to: &bytes)
        for field in fields { Self.write(key: LogValue.quoted(field.name), field.value, to: &bytes) }
        Self.writeEnd(to: &bytes)
    }

    static func writeStart(_ event: LogEvent, step: Int, epoch: Int?, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "{\"event\":\"\(event.rawValue)\",\"step\":\(step)".utf8)
        if let epoch { bytes.append(contentsOf: ",\"epoch\":\(epoch)".utf8) }
    }

    /// `key` is already quoted.
    static func write(key: [UInt8], _ value: LogValue, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: ","))
        bytes.append(contentsOf: key)
        bytes.append(UInt8(ascii: ":"))
        value.write(to: &bytes)
    }

    static func writeEnd(to bytes: inout [UInt8]) { bytes.append(contentsOf: "}\n".utf8) }
}
