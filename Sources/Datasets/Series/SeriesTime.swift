import Foundation

/// A cell of a time column. All of one column are of one case.
enum SeriesTime: Hashable, Sendable {
    case number(Double)
    /// Months since the beginning of the year 0.
    case month(Int)
    /// Days since 1970-01-01.
    case day(Int)
    /// Microseconds since 1970-01-01T00:00, of UTC or of the clock that the file goes by.
    case instant(Int)

    /// Whether this one is earlier than `other`, of the same column.
    func isEarlier(than other: SeriesTime) -> Bool {
        switch (self, other) {
        case (.number(let one), .number(let another)): one < another
        case (.month(let one), .month(let another)), (.day(let one), .day(let another)),
            (.instant(let one), .instant(let another)):
            one < another
        default: false
        }
    }

    static let microsecondsOfDay = 86_400_000_000

    /// Days since 1970-01-01; nil for numbers and months.
    var days: Int? {
        switch self {
        case .number, .month: nil
        case .day(let days): days
        case .instant(let microseconds): Gregorian.floorDivision(microseconds, Self.microsecondsOfDay).quotient
        }
    }

    /// Microseconds since midnight; 0 for all but instants.
    var microsecondsSinceMidnight: Int {
        if case .instant(let microseconds) = self {
            return Gregorian.floorDivision(microseconds, Self.microsecondsOfDay).remainder
        }
        return 0
    }
}

/// The Gregorian calendar, reckoned back before it began, as ISO 8601 has it.
enum Gregorian {
    /// Quotient rounded down, and what is left, 0 or more.
    static func floorDivision(_ number: Int, _ divisor: Int) -> (quotient: Int, remainder: Int) {
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// How many days a month has, 1 to 12.
    static func length(ofMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days of the years from 0 to before `year`.
    private static func daysBefore(year: Int) -> Int {
        let last = year - 1
        let (fours, hundreds, fourHundreds) =
            (floorDivision(last, 4).quotient, floorDivision(last, 100).quotient, floorDivision(last, 400).quotient)
        // The year 0 is a leap year, which the quotients of −1 count.
        return 365 * year + fours - hundreds + fourHundreds + 1
    }

    private static let daysBefore1970 = daysBefore(year: 1970)

    /// Days since 1970-01-01.
    static func days(year: Int, month: Int, day: Int) -> Int {
        var days = daysBefore(year: year) - daysBefore1970 + day - 1
        for earlier in 1..<max(month, 1) { days += length(ofMonth: earlier, year: year) }
        return days
    }

    /// The date of so many days since 1970-01-01.
    static func date(ofDays days: Int) -> (year: Int, month: Int, day: Int) {
        let all = days + daysBefore1970
        var year = floorDivision(all * 400, 146_097).quotient
        while daysBefore(year: year + 1) <= all { year += 1 }
        while daysBefore(year: year) > all { year -= 1 }
        var rest = all - daysBefore(year: year)
        var month = 1
        while month < 12, rest >= length(ofMonth: month, year: year) {
            rest -= length(ofMonth: month, year: year)
            month += 1
        }
        return (year, month, rest + 1)
    }
}

/// How a time column is written.
struct TimeForm: Hashable, Codable, Sendable {
    enum Kind: String, Codable, Sendable { case number, month, day, instant }

    var kind: Kind
    /// Between date and time of day.
    var separator = "T"
    /// Digits behind the seconds' point; -1 where there are no seconds.
    var secondDigits = -1
    /// Behind the time of day: nothing, `Z`, or hours and minutes ahead of UTC (`+05:30`).
    var zone = ""

    /// What is impossible in one from a file; nil if nothing is.
    var problem: String? {
        guard separator == "T" || separator == " ", (-1...6).contains(secondDigits), zoneMinutes != nil else {
            return "series.time: an impossible form"
        }
        return nil
    }

    /// Whether cells of the two can stand in one column.
    func agrees(with other: TimeForm) -> Bool { kind == other.kind && zone.isEmpty == other.zone.isEmpty }

    /// Minutes ahead of UTC; nil for what is no zone.
    private var zoneMinutes: Int? {
        if zone.isEmpty || zone == "Z" { return 0 }
        let digits = Array(zone.utf8)
        guard digits.count == 6, digits[3] == UInt8(ascii: ":"), zone.hasPrefix("+") || zone.hasPrefix("-"),
            let hours = TimeReader.number(digits[1..<3]), let minutes = TimeReader.number(digits[4..<6]), hours < 24,
            minutes < 60
        else { return nil }
        return (zone.hasPrefix("-") ? -1 : 1) * (hours * 60 + minutes)
    }

    /// What messages call the form.
    var name: String {
        switch kind {
        case .number: "a number"
        case .month: "YYYY-MM"
        case .day: "YYYY-MM-DD"
        case .instant: "YYYY-MM-DD" + separator + "hh:mm" + (zone.isEmpty ? "" : " with a time zone")
        }
    }

    // MARK: - Writing

    /// A time as the file writes it; empty where it lies outside of the years 0 to 9999.
    func text(_ time: SeriesTime) -> String {
        switch time {
        case .number(let number):
            if let whole = Int(exactly: number) { return String(whole) }
            return String(format: "%.10g", number)
        case .month(let months):
            let (year, month) = Gregorian.floorDivision(months, 12)
            return (0...9999).contains(year) ? String(format: "%04d-%02d", year, month + 1) : ""
        case .day(let days): return Self.text(ofDays: days)
        case .instant(let instant):
            let shifted = instant.addingReportingOverflow((zoneMinutes ?? 0) * 60_000_000)
            let (days, rest) = Gregorian.floorDivision(shifted.partialValue, SeriesTime.microsecondsOfDay)
            let date = Self.text(ofDays: days)
            guard !shifted.overflow, !date.isEmpty else { return "" }
            let minutes = rest / 60_000_000
            var text = date + separator + String(format: "%02d:%02d", minutes / 60, minutes % 60)
            if secondDigits >= 0 {
                let microseconds = rest % 60_000_000
                text += String(format: ":%02d", microseconds / 1_000_000)
                if secondDigits > 0 { text += "." + String(format: "%06d", microseconds % 1_000_000).prefix(secondDigits) }
            }
            return text + zone
        }
    }

    private static func text(ofDays days: Int) -> String {
        // 0000-01-01 to 9999-12-31, before the calendar is asked for more than it can reckon.
        guard (-719_528...2_932_896).contains(days) else { return "" }
        let (year, month, day) = Gregorian.date(ofDays: days)
        return String(format: "%04d-%02d-%02d", year, month, day)
    }

    // MARK: - Reading

    /// The date, or date and time of day, that `cell` spells: YYYY-MM, YYYY-MM-DD, and with T or a blank behind it hh:mm, hh:mm:ss
    /// or hh:mm:ss.f, and Z or ±hh:mm. Nil for anything else.
    static func date(_ cell: ArraySlice<UInt8>) -> (time: SeriesTime, form: TimeForm)? {
        var reader = TimeReader(cell)
        guard let year = reader.digits(4), reader.skip("-"), let month = reader.digits(2), (1...12).contains(month) else {
            return nil
        }
        if reader.isAtEnd { return (.month(year * 12 + month - 1), TimeForm(kind: .month)) }
        guard reader.skip("-"), let day = reader.digits(2), (1...Gregorian.length(ofMonth: month, year: year)).contains(day)
        else {
            return nil
        }
        let days = Gregorian.days(year: year, month: month, day: day)
        if reader.isAtEnd { return (.day(days), TimeForm(kind: .day)) }
        var form = TimeForm(kind: .instant)
        if reader.skip(" ") { form.separator = " " } else if !reader.skip("T") { return nil }
        guard let hour = reader.digits(2), hour < 24, reader.skip(":"), let minute = reader.digits(2), minute < 60 else {
            return nil
        }
        var microseconds = (hour * 60 + minute) * 60_000_000
        if reader.skip(":") {
            guard let second = reader.digits(2), second < 60 else { return nil }
            microseconds += second * 1_000_000
            form.secondDigits = 0
            if reader.skip(".") {
                guard let (digits, fraction) = reader.fraction() else { return nil }
                form.secondDigits = digits
                microseconds += fraction
            }
        }
        form.zone = reader.rest
        guard let ahead = form.zoneMinutes else { return nil }
        return (.instant(days * SeriesTime.microsecondsOfDay + microseconds - ahead * 60_000_000), form)
    }
}

/// Takes a written time apart.
struct TimeReader {
    private let bytes: ArraySlice<UInt8>
    private var place: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        place = bytes.startIndex
    }

    var isAtEnd: Bool { place == bytes.endIndex }

    /// What wasn't read yet.
    var rest: String { String(decoding: bytes[place...], as: UTF8.self) }

    /// The number that nothing but digits spell; nil for none, or for more than nine.
    static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard (1...9).contains(digits.count), digits.allSatisfy({ $0 &- 48 < 10 }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 48) }
    }

    /// Exactly so many digits.
    mutating func digits(_ count: Int) -> Int? {
        guard bytes.endIndex - place >= count, let number = Self.number(bytes[place..<place + count]) else { return nil }
        place += count
        return number
    }

    /// Passes over a character of ASCII; false where another is.
    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard place < bytes.endIndex, bytes[place] == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    /// One to six digits as millionths.
    mutating func fraction() -> (digits: Int, millionths: Int)? {
        var end = place
        while end < bytes.endIndex, bytes[end] &- 48 < 10 { end += 1 }
        let count = end - place
        guard (1...6).contains(count), let number = digits(count) else { return nil }
        return (count, (count..<6).reduce(number) { product, _ in product * 10 })
    }
}
