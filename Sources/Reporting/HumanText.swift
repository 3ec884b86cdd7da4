import Foundation

/// Numbers as people read them.
package enum HumanText {
    /// `1,234,567`
    package static func count(_ number: Int) -> String {
        let digits = String(number.magnitude)
        var text = number < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0 && (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }

    /// `512 bytes`, `38.1 KB`, `2.4 MB`, `1.6 GB`: thousands, not 1,024s.
    package static func bytes(_ count: Int) -> String {
        guard count >= 1000 else { return "\(count) bytes" }
        var size = Double(count) / 1000
        var unit = "KB"
        // What would be rounded to 1000.0 belongs to the next unit.
        for next in ["MB", "GB", "TB"] where size >= 999.95 { (size, unit) = (size / 1000, next) }
        return String(format: "%.1f ", size) + unit
    }

    /// `43 ms`, `0.3 s`, `7.9 s`, `12 s`, `4 min 10 s`, `1 h 2 min`, `3 d 4 h`: what is less than the last unit is cut off, but
    /// below a second rounded. `-` for what is no time.
    package static func duration(seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0 else { return "-" }
        if seconds == 0 { return "0 s" }
        if seconds < 0.0995 { return String(format: "%.0f ms", seconds * 1000) }
        if seconds < 0.95 { return String(format: "%.1f s", seconds) }
        if seconds < 10 { return String(format: "%.1f s", max(1, (seconds * 10).rounded(.down) / 10)) }
        // Thirty years are long enough, and keep the conversion from trapping.
        let whole = Int(min(seconds, 1e9))
        let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60)
        if days > 0 { return "\(count(days)) d \(hours) h" }
        if hours > 0 { return "\(hours) h \(minutes) min" }
        return minutes > 0 ? "\(minutes) min \(whole % 60) s" : "\(whole) s"
    }

    /// A loss or metric: `0.1234`, or `1.2345e-05` below 1e-4 and from 1e5 on.
    package static func figure(_ number: Double) -> String {
        guard number.isFinite else { return number.isNaN ? "nan" : (number < 0 ? "-inf" : "inf") }
        let isPlain = number == 0 || (number.magnitude >= 1e-4 && number.magnitude < 1e5)
        return String(format: isPlain ? "%.4f" : "%.4e", number)
    }

    /// Three significant digits: `1.00e-03`.
    package static func learningRate(_ rate: Double) -> String {
        rate == 0 ? "0" : String(format: "%.2e", rate)
    }

    /// `45,678 samples/s`; below 10 with one decimal.
    package static func rate(samplesPerSecond rate: Double) -> String {
        guard rate.isFinite, rate >= 0 else { return "- samples/s" }
        return rate < 10 ? String(format: "%.1f samples/s", rate) : "\(count(Int(min(rate, 1e15)))) samples/s"
    }
}
