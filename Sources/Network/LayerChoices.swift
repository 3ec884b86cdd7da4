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
            Dropout2d.self,
            LayerNorm.self,
            RMSNorm.self,
            PositionalEmbedding.self,
            MultiHeadAttention.self,
            TransformerBlock.self,
            BatchNorm.self,
            GroupNorm.self,
            InstanceNorm.self,
            Conv2d.self,
            Conv1d.self,
            Conv2dTranspose.self,
            MaxPool2d.self,
            AveragePool2d.self,
            GlobalAveragePool2d.self,
            GlobalMaxPool2d.self,
            MaxPool1d.self,
            AveragePool1d.self,
            GlobalAveragePool1d.self,
            GlobalMaxPool1d.self,
            Upsample2d.self,
            ZeroPad2d.self,
            SimpleRNN.self,
            LSTM.self,
            GRU.self,
            Residual.self,
            Parallel.self,
            Repeat.self
        ])
    }
}
