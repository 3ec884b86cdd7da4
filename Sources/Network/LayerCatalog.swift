/// All layers that a configuration can name. A new layer is its file, its row in the table of tests, and a line here.
package let layerCatalog: [any Layer.Type] = [
    Dense.self,
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
    Residual.self,
]
