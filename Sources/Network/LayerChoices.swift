import Settings

/// The layers that a configuration can name.
package typealias LayerChoices = Choices<any Layer.Type>

extension Choices where Choice == any Layer.Type {
    package init(_ kinds: [any Layer.Type]) { self.init("layer", kinds.map { ($0.kind, $0) }) }

    /// All of dtrain. A new layer is its file, its row in the table of tests, and a line here.
    package static var standard: LayerChoices {
        LayerChoices([
            Dense.self,
            Embedding.self,
            Flatten.self,
            Reshape.self,
            Permute.self,
            ReLU.self,
            LeakyReLU.self,
            ELU.self,
            Sigmoid.self,
            Tanh.self,
            GELU.self,
            SiLU.self,
            Softmax.self,
            Dropout.self,
            LayerNorm.self,
            BatchNorm.self,
            Residual.self
        ])
    }
}
