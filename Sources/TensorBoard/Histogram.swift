import Foundation

/// How often numbers lie between which limits: thirty parts of equal width from the least to the largest, as TensorBoard's own
/// summaries have them. What isn't finite isn't counted.
package struct Histogram: Sendable, Equatable {
    package private(set) var least = Double.infinity
    package private(set) var largest = -Double.infinity
    package private(set) var sum = 0.0
    package private(set) var sumOfSquares = 0.0
    /// The upper limits of the parts, and how many numbers lie in each; one part where all numbers are equal.
    package private(set) var limits: [Double] = []
    package private(set) var counts: [Double] = []

    static let partCount = 30

    /// How many numbers were counted.
    package var count: Double { counts.reduce(0, +) }

    package init(_ numbers: UnsafeBufferPointer<Float>) {
        for number in numbers where number.isFinite {
            let number = Double(number)
            least = min(least, number)
            largest = max(largest, number)
            sum += number
            sumOfSquares += number * number
        }
        guard least <= largest else {
            (least, largest) = (0, 0)
            return
        }
        let width = (largest - least) / Double(Self.partCount)
        guard width > 0 else {
            (limits, counts) = ([largest], [Double(numbers.lazy.filter(\.isFinite).count)])
            return
        }
        limits = (1...Self.partCount).map { $0 == Self.partCount ? largest : least + Double($0) * width }
        counts = Array(repeating: 0, count: Self.partCount)
        for number in numbers where number.isFinite {
            counts[min(Int((Double(number) - least) / width), Self.partCount - 1)] += 1
        }
    }

    /// `HistogramProto` of TensorFlow's `summary.proto`.
    func write(to message: inout ProtobufMessage) {
        message.add(1, least)
        message.add(2, largest)
        message.add(3, count)
        message.add(4, sum)
        message.add(5, sumOfSquares)
        message.add(6, limits)
        message.add(7, counts)
    }
}
