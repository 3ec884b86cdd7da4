import Settings
import Storage

/// Makes one row of numbers out of a sample of any shape, as `torch.nn.Flatten`. The memory stays as it is.
package struct Flatten: IdentityLayer {
    package static let kind = "flatten"
    package let outputShape: Shape

    package init(options: Settings, site: inout LayerSite) throws {
        outputShape = Shape([site.inputShape.count])
    }
}
