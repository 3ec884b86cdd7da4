/// Which axis of a sample is time, where samples have lengths, and how many of its steps are a sample's own; those behind are
/// padding.
///
/// It follows a sample through the layers: what a window leaves of 12 steps, it leaves of a sample that is 12 steps long.
package struct SequenceSteps: Sendable, Equatable {
    /// A window that has moved over the steps.
    package struct Window: Sendable, Equatable {
        /// Steps from the first to the last that it sees.
        package let reach: Int
        package let stride: Int
        /// Steps that were added in front and behind.
        package let padding: Int

        package init(reach: Int, stride: Int, padding: Int) {
            self.reach = reach
            self.stride = stride
            self.padding = padding
        }
    }

    /// From 0, the axis of a sample.
    package var axis: Int
    package private(set) var windows: [Window] = []

    package init(axis: Int) { self.axis = axis }

    /// How many steps are left of a sample of `length` steps.
    package func steps(ofLength length: Int) -> Int {
        var steps = length
        for window in windows { steps = max(0, steps + window.padding - window.reach) / window.stride + 1 }
        return steps
    }

    /// The same behind one more window.
    package func behind(_ window: Window) -> SequenceSteps {
        var result = self
        result.windows.append(window)
        return result
    }
}

/// How many steps of each row are its own: as many as there are, unless samples have lengths.
package struct StepCounts: Sendable {
    /// Steps of a row.
    package let most: Int
    private let lengths: SequenceLengths?
    private let sequence: SequenceSteps

    /// - Parameter sequence: where the steps lie; nil where samples have no lengths there.
    package init(most: Int, lengths: SequenceLengths?, sequence: SequenceSteps?) {
        self.most = most
        self.lengths = sequence == nil ? nil : lengths
        self.sequence = sequence ?? SequenceSteps(axis: 0)
    }

    package subscript(row: Int) -> Int {
        guard let lengths else { return most }
        return min(most, sequence.steps(ofLength: lengths[row]))
    }
}
