import Storage

extension MetricSet {
    /// Adds the rows of a micro-batch to `statistics`, in order, without allocating.
    ///
    /// The predicted class is the largest output of a row, the first of equals; an answer is yes where the logit is
    /// above 0. A row (an answer) with a NaN counts as wrong and as no prediction at all. Class indices have been
    /// checked against the number of classes when the data were read. Rows of a class that the loss ignores are left out.
    ///
    /// - Parameter crossEntropies: −log softmax(x)_c of each row, where `needsCrossEntropies` says so; of rows whose class is
    ///   ignored it isn't looked at.
    package func accumulate(
        outputs: MatrixView, targets: TargetView, crossEntropies: UnsafeBufferPointer<Double>? = nil,
        into statistics: UnsafeMutableBufferPointer<Double>
    ) {
        check(outputs, targets)
        precondition(
            statistics.count == statisticsCount,
            "\(statistics.count) statistics for metrics that have \(statisticsCount)")
        precondition(
            layout.likelihood == nil || crossEntropies?.count == outputs.rows,
            "\(crossEntropies?.count ?? 0) cross entropies of \(outputs.rows) rows")
        var first = 0
        while let rows = countedRows(targets, from: first) {
            accumulateCounted(
                outputs[rows: rows], targets[rows: rows],
                crossEntropies.map { UnsafeBufferPointer(rebasing: $0[rows]) }, statistics)
            first = rows.upperBound
        }
    }

    /// The next rows behind each other that count; nil where there are none from `first` on.
    private func countedRows(_ targets: TargetView, from first: Int) -> Range<Int>? {
        guard first < targets.rows else { return nil }
        guard let ignored = likelihoods?.ignoredClass, case .classes(let classes) = targets else { return first..<targets.rows }
        var start = first
        while start < classes.count, classes[start] == ignored { start += 1 }
        guard start < classes.count else { return nil }
        var end = start + 1
        while end < classes.count, classes[end] != ignored { end += 1 }
        return start..<end
    }

    private func accumulateCounted(
        _ outputs: MatrixView, _ targets: TargetView, _ crossEntropies: UnsafeBufferPointer<Double>?,
        _ statistics: UnsafeMutableBufferPointer<Double>
    ) {
        statistics[0] += Double(outputs.rows)
        switch task {
        case .classification: accumulateClasses(outputs, targets, statistics)
        case .binary: accumulateAnswers(outputs, targets, statistics)
        case .regression: accumulateNumbers(outputs, targets, statistics)
        }
        if let at = layout.likelihood, let crossEntropies { accumulate(crossEntropies, targets, statistics, at: at) }
        for index in added.indices {
            added[index].accumulate(
                outputs: outputs, targets: targets,
                into: UnsafeMutableBufferPointer(rebasing: statistics[layout.added[index]]))
        }
    }

    /// Adds the (score, label) pair of every row, for ROC AUC. The score is the logit, or with two classes the second
    /// logit minus the first.
    package func appendScores(outputs: MatrixView, targets: TargetView, into scores: inout [ScoredLabel]) {
        check(outputs, targets)
        scores.reserveCapacity(scores.count + outputs.rows)
        for row in 0..<outputs.rows {
            switch task {
            case .classification(let classes):
                precondition(classes == 2, "ROC AUC of \(classes) classes")
                guard trueClass(targets, row) != likelihoods?.ignoredClass else { continue }
                let logits = outputs.row(row)
                scores.append(
                    ScoredLabel(
                        score: Double(logits[1]) - Double(logits[0]),
                        isPositive: trueClass(targets, row) == 1))
            case .binary(let count):
                precondition(count == 1, "ROC AUC of \(count) outputs")
                scores.append(ScoredLabel(score: Double(outputs.row(row)[0]), isPositive: isYes(targets, row, 0)))
            case .regression: preconditionFailure("ROC AUC of a regression")
            }
        }
    }

    private func check(_ outputs: MatrixView, _ targets: TargetView) {
        precondition(outputs.columns == task.outputs, "\(outputs.columns) outputs for metrics of \(task.outputs)")
        precondition(targets.rows == outputs.rows, "\(targets.rows) targets for \(outputs.rows) rows")
        switch targets {
        case .values(let values):
            precondition(
                values.columns == task.outputs,
                "targets of \(values.columns) columns for \(task.outputs) outputs")
        case .classes:
            if case .classification = task { break }
            precondition(task.outputs == 1, "one class per row for \(task.outputs) outputs")
        }
    }

    // MARK: - One class per row

    private func accumulateClasses(
        _ outputs: MatrixView, _ targets: TargetView,
        _ statistics: UnsafeMutableBufferPointer<Double>
    ) {
        let classes = outputs.columns
        for row in 0..<outputs.rows {
            let logits = outputs.row(row)
            let actual = trueClass(targets, row)
            precondition(actual >= 0 && actual < classes, "class \(actual) of \(classes)")
            let predicted = largest(logits)
            if let at = layout.correct, predicted == actual { statistics[at] += 1 }
            if let at = layout.perClass {
                statistics[at + 3 * actual + 2] += 1
                if predicted >= 0 { statistics[at + 3 * predicted + 1] += 1 }
                if predicted == actual { statistics[at + 3 * actual] += 1 }
            }
            if let at = layout.confusion, predicted >= 0 { statistics[at + classes * actual + predicted] += 1 }
            if predicted >= 0 {
                for (k, at) in layout.topK where rank(of: actual, in: logits) < k { statistics[at] += 1 }
            }
        }
    }

    private func accumulate(
        _ crossEntropies: UnsafeBufferPointer<Double>, _ targets: TargetView,
        _ statistics: UnsafeMutableBufferPointer<Double>, at: Int
    ) {
        for row in crossEntropies.indices {
            let actual = trueClass(targets, row)
            statistics[at + LikelihoodSum.crossEntropy] += crossEntropies[row]
            statistics[at + LikelihoodSum.rows] += 1
            if let bytes = likelihoods?.byteCounts?[actual] { statistics[at + LikelihoodSum.bytes] += Double(bytes) }
        }
    }

    private func trueClass(_ targets: TargetView, _ row: Int) -> Int {
        switch targets {
        case .classes(let classes): classes[row]
        case .values(let values): max(0, largest(values.row(row)))
        }
    }

    /// The index of the largest number, the first of equals; −1 where one is NaN.
    private func largest(_ numbers: UnsafeBufferPointer<Float>) -> Int {
        var best = 0
        var largest = -Float.infinity
        // Loaded first and then selected, and 1 for NaN added up: no branch that random logits would mispredict.
        var notNumbers = 0
        for index in 0..<numbers.count {
            let number = numbers[index]
            let isLarger = number > largest
            best = isLarger ? index : best
            largest = isLarger ? number : largest
            notNumbers += number == number ? 0 : 1
        }
        return notNumbers > 0 ? -1 : best
    }

    /// How many outputs stand before the one at `index`: larger ones, and equal ones with a lower index.
    private func rank(of index: Int, in logits: UnsafeBufferPointer<Float>) -> Int {
        let own = logits[index]
        var before = 0
        for other in logits.indices where logits[other] > own || (logits[other] == own && other < index) { before += 1 }
        return before
    }

    // MARK: - Yes or no

    private func accumulateAnswers(
        _ outputs: MatrixView, _ targets: TargetView,
        _ statistics: UnsafeMutableBufferPointer<Double>
    ) {
        for row in 0..<outputs.rows {
            let logits = outputs.row(row)
            for column in logits.indices {
                let logit = logits[column]
                let saysYes = logit > 0
                let yes = isYes(targets, row, column)
                if let at = layout.correct, saysYes == yes, !logit.isNaN { statistics[at] += 1 }
                if let at = layout.perClass {
                    if yes { statistics[at + 3 * column + 2] += 1 }
                    if saysYes { statistics[at + 3 * column + 1] += 1 }
                    if saysYes && yes { statistics[at + 3 * column] += 1 }
                }
                if let at = layout.confusion, !logit.isNaN { statistics[at + (yes ? 2 : 0) + (saysYes ? 1 : 0)] += 1 }
            }
        }
    }

    private func isYes(_ targets: TargetView, _ row: Int, _ column: Int) -> Bool {
        switch targets {
        case .classes(let classes): classes[row] == 1
        case .values(let values): values.row(row)[column] > 0.5
        }
    }

    // MARK: - Numbers

    private func accumulateNumbers(
        _ outputs: MatrixView, _ targets: TargetView,
        _ statistics: UnsafeMutableBufferPointer<Double>
    ) {
        guard let start = layout.regression else { return }
        for row in 0..<outputs.rows {
            let predictions = outputs.row(row)
            for column in predictions.indices {
                let target =
                    switch targets {
                    case .classes(let classes): Double(classes[row])
                    case .values(let values): Double(values.row(row)[column])
                    }
                let error = Double(predictions[column]) - target
                let at = start + RegressionSum.count * column
                statistics[at + RegressionSum.squaredError] += error * error
                statistics[at + RegressionSum.absoluteError] += error.magnitude
                add(target, to: statistics, at: at + RegressionSum.target)
                // Exact: a Float has 24 bits, its square 48.
                add(target * target, to: statistics, at: at + RegressionSum.squaredTarget)
            }
        }
    }

    /// Adds to a sum, and what the addition rounds off to the element behind it (Knuth's two-sum).
    private func add(_ number: Double, to statistics: UnsafeMutableBufferPointer<Double>, at index: Int) {
        let old = statistics[index]
        let sum = old + number
        let taken = sum - old
        statistics[index] = sum
        statistics[index + 1] += (old - (sum - taken)) + (number - taken)
    }
}
