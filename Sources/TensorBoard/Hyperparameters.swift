/// What TensorBoard's hparams dashboard shows of a run: its settings, which metrics are its result, and how it ended. The messages of
/// https://github.com/tensorflow/tensorboard/blob/master/tensorboard/plugins/hparams/plugin_data.proto and `api.proto` beside it.
package enum Hyperparameters: Sendable {
    /// How a run ended.
    package enum Ending: Int, Sendable {
        case unknown = 0, success = 1, failure = 2
    }

    /// Which settings there are, and the tags of the scalars that are the result.
    case experiment(settings: [String: String], metrics: [String], wallTime: Double)
    /// The settings of this run, by their keys.
    case start(settings: [String: String], name: String, wallTime: Double)
    case end(Ending, wallTime: Double)

    var tag: String {
        switch self {
        case .experiment: "_hparams_/experiment"
        case .start: "_hparams_/session_start_info"
        case .end: "_hparams_/session_end_info"
        }
    }

    /// `HParamsPluginData`.
    var bytes: [UInt8] {
        var data = ProtobufMessage()
        switch self {
        case .experiment(let settings, let metrics, let wallTime):
            data.add(2) { experiment in
                experiment.add(3, wallTime)
                for (key, text) in settings.sorted(by: { $0.key < $1.key }) {
                    experiment.add(4) {
                        $0.add(1, key)
                        $0.add(4, Self.type(of: text))
                    }
                }
                for tag in metrics {
                    experiment.add(5) { metric in
                        metric.add(1) { $0.add(2, tag) }
                    }
                }
            }
        case .start(let settings, let name, let wallTime):
            data.add(3) { session in
                for (key, text) in settings.sorted(by: { $0.key < $1.key }) {
                    session.add(1) { entry in
                        entry.add(1, key)
                        entry.add(2) { Self.write(text, to: &$0) }
                    }
                }
                session.add(4, name)
                session.add(5, wallTime)
            }
        case .end(let ending, let wallTime):
            data.add(4) {
                $0.add(1, ending.rawValue)
                $0.add(2, wallTime)
            }
        }
        return data.bytes
    }

    /// `DataType`: 1 a text, 2 true or false, 3 a number.
    private static func type(of text: String) -> Int {
        if text == "true" || text == "false" { return 2 }
        return Double(text) == nil ? 1 : 3
    }

    /// `google.protobuf.Value`.
    private static func write(_ text: String, to value: inout ProtobufMessage) {
        switch type(of: text) {
        case 2: value.add(4, text == "true" ? 1 : 0)
        case 3: value.add(2, Double(text) ?? 0)
        default: value.add(3, text)
        }
    }
}
