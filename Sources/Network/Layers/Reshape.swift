import Diagnostics
import Settings
import Storage

/// Gives a sample another shape; the memory stays as it is. As `torch.reshape` of each sample: `shape: [4, -1]`, where one
/// dimension may be −1 and follows from the others.
package struct Reshape: IdentityLayer {
    package static let kind = "reshape"
    package let outputShape: Shape

    package init(options: Settings, site: inout LayerSite) throws {
        let asked = try options.ints("shape", in: -1...1 << 30)
        let count = site.inputShape.count
        guard asked.filter({ $0 == -1 }).count <= 1 else {
            throw options.failure("shape", "\(asked) leaves more than one dimension open (-1); leave at most one")
        }
        var known = 1
        for dimension in asked where dimension >= 0 {
            let (product, overflows) = known.multipliedReportingOverflow(by: dimension)
            known = overflows ? Int.max : product
        }
        let rest = known > 0 && count % known == 0 ? count / known : 0
        let dimensions = asked.map { $0 == -1 ? rest : $0 }
        guard known > 0, asked.contains(-1) ? count % known == 0 : known == count else {
            throw options.failure("shape", "\(asked) doesn't hold the \(count) numbers of \(site.inputShape)")
        }
        outputShape = Shape(dimensions)
    }
}
