/// One record of an event file: `Event` of TensorFlow's `event.proto`, with what of it dtrain writes. TensorBoard's own description:
/// https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto
package struct Event {
    private var message = ProtobufMessage()

    /// The record, without its framing.
    package var bytes: [UInt8] { message.bytes }

    /// - Parameters:
    ///   - wallTime: seconds since 1970.
    ///   - step: the global step that it tells of.
    private init(wallTime: Double, step: Int) {
        message.add(1, wallTime)
        message.add(2, step)
    }

    /// What a file begins with.
    package static func version(wallTime: Double) -> Event {
        var event = Event(wallTime: wallTime, step: 0)
        event.message.add(3, "brain.Event:2")
        return event
    }

    /// A start: readers forget whatever earlier files say of `step` and of later ones.
    package static func start(wallTime: Double, step: Int) -> Event {
        var event = Event(wallTime: wallTime, step: step)
        event.message.add(7) { $0.add(1, 1) }
        return event
    }

    /// What is told of a step.
    package init(wallTime: Double, step: Int, _ values: [SummaryValue]) {
        self.init(wallTime: wallTime, step: step)
        message.add(5) { summary in
            for value in values { summary.add(1) { value.write(to: &$0) } }
        }
    }
}

/// `Summary.Value` of TensorFlow's `summary.proto`: something with a tag.
package enum SummaryValue: Sendable {
    case scalar(tag: String, Double)
    case histogram(tag: String, Histogram)
    /// A picture as PNG.
    case image(tag: String, width: Int, height: Int, channels: Int, png: [UInt8])
    /// A text, in Markdown.
    case text(tag: String, String)
    /// What the hparams dashboard wants to know.
    case hyperparameters(Hyperparameters)

    func write(to value: inout ProtobufMessage) {
        switch self {
        case .scalar(let tag, let number):
            value.add(1, tag)
            value.add(2, Float(number))
        case .histogram(let tag, let histogram):
            value.add(1, tag)
            value.add(5, histogram.write)
        case .image(let tag, let width, let height, let channels, let png):
            value.add(1, tag)
            value.add(4) {
                $0.add(1, height)
                $0.add(2, width)
                $0.add(3, channels)
                $0.add(4, png)
            }
        case .text(let tag, let text):
            value.add(1, tag + "/text_summary")
            Self.addPlugin("text", [], to: &value)
            // A tensor (`tensor.proto`) of type 7, texts, and shape [1].
            value.add(8) {
                $0.add(1, 7)
                $0.add(2) { $0.add(2) { $0.add(1, 1) } }
                $0.add(8, text)
            }
        case .hyperparameters(let part):
            value.add(1, part.tag)
            Self.addPlugin("hparams", part.bytes, to: &value)
            // Without a value readers pass over it: a number, 0, of type 1.
            value.add(8) {
                $0.add(1, 1)
                $0.add(2) { _ in }
                $0.add(5, Float(0))
            }
        }
    }

    private static func addPlugin(_ name: String, _ content: [UInt8], to value: inout ProtobufMessage) {
        value.add(9) { metadata in
            metadata.add(1) {
                $0.add(1, name)
                if !content.isEmpty { $0.add(2, content) }
            }
        }
    }
}
