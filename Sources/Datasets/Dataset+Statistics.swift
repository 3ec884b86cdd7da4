import Storage

/// Least, largest, mean and standard deviation of numbers, one after the other (Welford, "Note on a method for calculating
/// corrected sums of squares and products", Technometrics 4, 1962), in Double.
package struct RunningStatistics: Sendable {
    package private(set) var count = 0
    package private(set) var least = Double.infinity
    package private(set) var largest = -Double.infinity
    package private(set) var mean = 0.0
    private var squares = 0.0

    package init() {}

    package mutating func add(_ number: Double) {
        count += 1
        least = min(least, number)
        largest = max(largest, number)
        let distance = number - mean
        mean += distance / Double(count)
        squares += distance * (number - mean)
    }

    /// Of the numbers as a whole population.
    package var deviation: Double { count > 0 ? (squares / Double(count)).squareRoot() : 0 }
}

/// What the samples of a split are like.
package struct DatasetStatistics: Sendable {
    /// Of what `names` call: the numbers of the file, or for a table inputs as they are normalised.
    package let parts: [(name: String, numbers: RunningStatistics)]
    /// Samples of each class; nil where targets are no classes.
    package let classCounts: [Int]?
    /// The element type of the file; nil where the inputs aren't kept as it has them.
    package let elementType: String?
}

extension Dataset {
    /// Looks at all samples. Inputs of three dimensions are told apart by channel; those of a table, of which there are at most
    /// 50, one by one; others are all one. Tokens are no numbers and have no part.
    ///
    /// - Parameter preprocessing: that of the data set.
    package func statistics(_ preprocessing: Preprocessing) -> DatasetStatistics {
        let width = inputShape.count
        let names: [String]
        if tokenKinds != nil || preprocessing.series != nil || preprocessing.ucr != nil {
            // Series have statistics of their own: a row is in many windows, and padding isn't theirs.
            names = []
        } else if inputShape.dimensions.count == 3 {
            names = (0..<inputShape.dimensions[0]).map { "channel \($0)" }
        } else if let table = preprocessing.table, width <= 50 {
            names = table.inputNames
        } else {
            names = ["all inputs"]
        }
        let share = max(width / max(names.count, 1), 1)
        var numbers = [RunningStatistics](repeating: RunningStatistics(), count: names.count)
        var row = [Double](repeating: 0, count: width)
        let buffer = AlignedBuffer<Float>(count: width)
        let type: String?
        if case .encoded(let samples, _) = inputs { type = "\(samples.type)" } else { type = nil }
        for sample in 0..<Int32(names.isEmpty ? 0 : count) {
            if case .encoded(let samples, _) = inputs {
                samples.numbers(sample: rows.map { Int($0[Int(sample)]) } ?? Int(sample), into: &row)
            } else {
                gatherInputs([sample][...], into: buffer.matrix(rows: 1, columns: width))
                for place in 0..<width { row[place] = Double(buffer.elements[place]) }
            }
            for place in 0..<width { numbers[min(place / share, names.count - 1)].add(row[place]) }
        }
        var counts: [Int]?
        if case .classes(let classCount) = targetKind, case .classes(let classes)? = targets {
            var found = [Int](repeating: 0, count: classCount)
            for sample in 0..<count { found[Int(classes[rows.map { Int($0[sample]) } ?? sample])] += 1 }
            counts = found
        }
        return DatasetStatistics(parts: Array(zip(names, numbers)), classCounts: counts, elementType: type)
    }
}
