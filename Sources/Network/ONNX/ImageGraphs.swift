import Export
import Kernels
import Storage

// Convolutions, pooling, and the other layers on images and on channels of steps.

extension ConvolutionLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        let shape = convolution.shape
        let isOfSteps = convolution.weight.shape.dimensions.count == 3
        // Numbers of both axes, or of the steps alone.
        func axes(_ height: Int, _ width: Int) -> [Int] { isOfSteps ? [width] : [height, width] }
        let sides =
            isOfSteps
            ? [shape.paddingLeft, shape.paddingRight]
            : [shape.paddingTop, shape.paddingLeft, shape.paddingBottom, shape.paddingRight]
        var attributes: [(String, ONNXGraph.Attribute)] = [
            ("kernel_shape", .integers(axes(shape.kernelHeight, shape.kernelWidth))),
            ("strides", .integers(axes(shape.strideHeight, shape.strideWidth))),
            ("dilations", .integers(axes(shape.dilationHeight, shape.dilationWidth))),
            ("group", .integer(shape.groups)), ("pads", .integers(sides))
        ]
        let channels = convolution.isTransposed ? shape.filters : shape.channels
        let from =
            convolution.isTransposed
            ? axes(shape.outputHeight, shape.outputWidth) : axes(shape.height, shape.width)
        if convolution.isTransposed {
            // Rows and columns that the stride passes over belong to the output all the same.
            func rest(_ length: Int, _ padding: Int, _ kernel: Int, _ dilation: Int, _ stride: Int) -> Int {
                (length + padding - (kernel - 1) * dilation - 1) % stride
            }
            attributes.append(
                (
                    "output_padding",
                    .integers([
                        rest(
                            shape.height, shape.paddingTop + shape.paddingBottom, shape.kernelHeight, shape.dilationHeight,
                            shape.strideHeight),
                        rest(
                            shape.width, shape.paddingLeft + shape.paddingRight, shape.kernelWidth, shape.dilationWidth,
                            shape.strideWidth)
                    ])
                ))
        }
        let inputs =
            [graph.reshaped(input, [channels] + from).name, graph.weight(convolution.weight)]
            + (convolution.bias.map { [graph.parameter($0)] } ?? [])
        let name = graph.node(convolution.isTransposed ? "ConvTranspose" : "Conv", inputs, attributes)
        return GraphValue(name: name, dimensions: outputShape.dimensions)
    }
}

extension Conv1d: GraphLayer {}
extension Conv2d: GraphLayer {}
extension Conv2dTranspose: GraphLayer {}

extension PoolingShape {
    /// A window over images, or over the steps of `isOfSteps`.
    fileprivate func addNodes(
        _ operation: String, behind input: GraphValue, to graph: GraphWriter, isOfSteps: Bool,
        _ more: [(String, ONNXGraph.Attribute)] = []
    ) -> GraphValue {
        func axes(_ height: Int, _ width: Int) -> [Int] { isOfSteps ? [width] : [height, width] }
        let padding = axes(paddingHeight, paddingWidth)
        let name = graph.node(
            operation, [graph.reshaped(input, [channels] + axes(height, width)).name],
            [
                ("kernel_shape", .integers(axes(kernelHeight, kernelWidth))),
                ("strides", .integers(axes(strideHeight, strideWidth))), ("pads", .integers(padding + padding))
            ] + more)
        return GraphValue(name: name, dimensions: [channels] + axes(outputHeight, outputWidth))
    }

    fileprivate func addAverage(
        behind input: GraphValue, to graph: GraphWriter, isOfSteps: Bool, countsPadding: Bool
    ) -> GraphValue {
        addNodes(
            "AveragePool", behind: input, to: graph, isOfSteps: isOfSteps,
            [("count_include_pad", .integer(countsPadding ? 1 : 0))])
    }
}

extension MaxPool2d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        shape.addNodes("MaxPool", behind: input, to: graph, isOfSteps: false)
    }
}

extension MaxPool1d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        shape.addNodes("MaxPool", behind: input, to: graph, isOfSteps: true)
    }
}

extension AveragePool2d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        shape.addAverage(behind: input, to: graph, isOfSteps: false, countsPadding: countsPadding)
    }
}

extension AveragePool1d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        shape.addAverage(behind: input, to: graph, isOfSteps: true, countsPadding: countsPadding)
    }
}

extension GraphWriter {
    /// One number of each channel's plane.
    fileprivate func pooled(_ input: GraphValue, channels: Int, _ operation: String) -> GraphValue {
        let count = input.dimensions.reduce(1, *)
        let rows = reshaped(input, [channels, count / channels])
        let name = node(operation, [rows.name], [("axes", .integers([2])), ("keepdims", .integer(0))])
        return GraphValue(name: name, dimensions: [channels])
    }
}

extension GlobalAveragePool2d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        graph.pooled(input, channels: outputShape.count, "ReduceMean")
    }
}

extension GlobalMaxPool2d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        graph.pooled(input, channels: outputShape.count, "ReduceMax")
    }
}

extension GlobalAveragePool1d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        guard let mask = graph.stepMask(most: site.steps, site.sequence),
            let counts = graph.stepCounts(most: site.steps, site.sequence)
        else { return graph.pooled(input, channels: site.channels, "ReduceMean") }
        let own = graph.masked(input, by: mask, axis: 1)
        let sum = graph.node("ReduceSum", [own.name, graph.constant([2])], [("keepdims", .integer(0))])
        let divisor = graph.node(
            "Cast", [graph.node("Unsqueeze", [counts, graph.constant([1])])],
            [("to", .integer(ONNXGraph.ElementType.float32.rawValue))])
        return GraphValue(name: graph.node("Div", [sum, divisor]), dimensions: [site.channels])
    }
}

extension GlobalMaxPool1d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        guard let mask = graph.stepMask(most: site.steps, site.sequence) else {
            return graph.pooled(input, channels: site.channels, "ReduceMax")
        }
        let lowest = graph.constant(-Float.infinity)
        let own = graph.node("Where", [graph.spread(mask, axis: 1, rank: 2), input.name, lowest])
        return graph.pooled(GraphValue(name: own, dimensions: input.dimensions), channels: site.channels, "ReduceMax")
    }
}

extension Upsample2d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        let isNearest = shape.mode == .nearest
        let scales = graph.tensor(
            "scales", shape: [4],
            [1, 1, Float(shape.outputHeight / shape.height), Float(shape.outputWidth / shape.width)])
        let image = graph.reshaped(input, [shape.channels, shape.height, shape.width])
        let name = graph.node(
            "Resize", [image.name, "", scales],
            [
                ("mode", .text(isNearest ? "nearest" : "linear")),
                ("coordinate_transformation_mode", .text(isNearest ? "asymmetric" : "half_pixel"))
            ] + (isNearest ? [("nearest_mode", .text("floor"))] : []))
        return GraphValue(name: name, dimensions: outputShape.dimensions)
    }
}

extension ZeroPad2d: GraphLayer {
    package func addNodes(behind input: GraphValue, to graph: GraphWriter) -> GraphValue {
        let whole = graph.reshaped(input, image.shape.dimensions)
        let sides = graph.constant([0, 0, padding.top, padding.left, 0, 0, padding.bottom, padding.right])
        return GraphValue(name: graph.node("Pad", [whole.name, sides]), dimensions: outputShape.dimensions)
    }
}
