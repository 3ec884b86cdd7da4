/// Matrices of one shape at two steps of memory, such as those of the heads of samples: members of groups.
package struct MatrixBatch<View: BatchedView>: Sendable {
    /// The first member of the first group.
    package let first: View
    package let groups: Int
    package let members: Int
    private let groupStep: Int, memberStep: Int

    /// - Parameters:
    ///   - groupStep: from the first element of a group's member to the one of the same member of the next group.
    ///   - memberStep: from a member to the next one of its group.
    package init(_ first: View, groups: Int, groupStep: Int, members: Int = 1, memberStep: Int = 0) {
        precondition(groups >= 0 && members >= 0, "\(groups) groups of \(members)")
        self.first = first
        self.groups = groups
        self.members = members
        self.groupStep = groupStep
        self.memberStep = memberStep
    }

    /// How many matrices there are.
    package var count: Int { groups * members }

    /// The matrices, member by member and group by group.
    package subscript(index: Int) -> View {
        precondition(index >= 0 && index < count, "matrix \(index) of \(count)")
        return first.moved(by: index / members * groupStep + index % members * memberStep)
    }
}

/// What a batch consists of.
package protocol BatchedView: Sendable {
    /// A view of the same shape that begins so many elements behind this one.
    func moved(by distance: Int) -> Self
}

extension MatrixView: BatchedView {
    package func moved(by distance: Int) -> MatrixView {
        MatrixView(base: base + distance, rows: rows, columns: columns, stride: stride)
    }
}

extension MutableMatrixView: BatchedView {
    package func moved(by distance: Int) -> MutableMatrixView {
        MutableMatrixView(
            base: base + distance, rows: rows, columns: columns, stride: stride, cached: cached.shifted(by: -distance))
    }
}
