import Kernels
import Storage

/// What layers ask for in the middle of a pass where they need sums over all leaves of a step, whichever ranks compute them.
package protocol StepTotals: AnyObject {
    /// The sums of each leaf of this pass, brought together with those of all other leaves of the step: added along the tree.
    /// Every rank asks as often and in the same order, also one that has no leaves. Valid until the next call.
    func total(_ sums: LeafSums) -> UnsafeBufferPointer<Double>
}

/// A run of a pass's leaves whose parameter gradients go to a place of their own: a subtree.
package struct PassSegment {
    package let rows: Range<Int>
    package let gradients: MutableParameterView

    package init(rows: Range<Int>, gradients: MutableParameterView) {
        self.rows = rows
        self.gradients = gradients
    }
}
