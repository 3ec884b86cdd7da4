import Testing
import Training

@Suite("What a resumed run may change")
struct CompatibilityTests {
    private func compare(
        _ stored: [String: String], _ configured: [String: String], defaulted: Set<String> = [],
        data: ([String], [String]) = (["a", "b"], ["a", "b"])
    ) -> Compatibility {
        Compatibility(stored: stored, configured: configured, defaulted: defaulted, storedData: data.0, data: data.1)
    }

    @Test("is told as values: what differs, and from what to what")
    func values() {
        let found = compare(
            [
                "model.layers[0].dense.units": "16", "optimizer": "adam", "optimizer.adam.learning_rate": "0.1",
                "training.epochs": "2",
                "data.train.path": "a.csv", "data.format": "csv", "modelling": "x"
            ],
            [
                "model.layers[0].dense.units": "12", "optimizer": "sgd", "optimizer.sgd.learning_rate": "0.1",
                "training.epochs": "2",
                "data.train.path": "b.csv", "data.format": "idx", "modelling": "y"
            ])
        #expect(
            found.refused == [
                SettingChange(key: "data.format", stored: "csv", configured: "idx"),
                SettingChange(key: "model.layers[0].dense.units", stored: "16", configured: "12"),
                SettingChange(key: "optimizer", stored: "adam", configured: "sgd")
            ])
        #expect(
            found.allowed == [
                SettingChange(key: "data.train.path", stored: "a.csv", configured: "b.csv"),
                SettingChange(key: "modelling", stored: "x", configured: "y"),
                SettingChange(key: "optimizer.adam.learning_rate", stored: "0.1", configured: nil),
                SettingChange(key: "optimizer.sgd.learning_rate", stored: nil, configured: "0.1")
            ])
        #expect(found.allowed.map(\.isLearningRate) == [false, false, true, true] && found.otherData.isEmpty)
    }

    @Test("a key that an older dtrain didn't know is no change where it has its default")
    func defaults() {
        #expect(compare([:], ["training.drop_last": "false"], defaulted: ["training.drop_last"]).refused.isEmpty)
        #expect(compare([:], ["training.drop_last": "true"]).refused.map(\.key) == ["training.drop_last"])
    }

    @Test("a name that begins like another one is another one")
    func names() {
        let change = SettingChange(key: "checkpoint.monitoring", stored: nil, configured: "1")
        #expect(change.concerns("checkpoint") && !change.concerns("checkpoint.monitor"))
        #expect(SettingChange(key: "metrics[0].top_k.k", stored: "1", configured: "2").concerns("metrics"))
        // Its value speaks of a learning rate, its key doesn't.
        #expect(!SettingChange(key: "optimizer.adam.note", stored: ".learning_rate:", configured: nil).isLearningRate)
    }

    @Test("workers and the kind of their outer step must stay, when they meet may change")
    func workers() {
        let local = "training.synchronization.local"
        let stored = [
            "training.synchronization": "local", local + ".workers": "4", local + ".steps": "16", local + ".start_step": "0",
            local + ".outer": "nesterov", local + ".outer.nesterov.momentum": "0.9"
        ]
        func refused(_ changes: [String: String?]) -> [String] {
            compare(stored, stored.merging(changes.compactMapValues { $0 }) { $1 }.filter { changes[$0.key] != .some(nil) })
                .refused.map(\.key)
        }
        #expect(refused([local + ".steps": "8", local + ".start_step": "9", local + ".outer.nesterov.momentum": "0.5"]) == [])
        #expect(refused([local + ".workers": "3"]) == [local + ".workers"])
        #expect(refused([local + ".outer": "average"]) == [local + ".outer"])
        let owner = ["training.synchronization": "owner"]
        #expect(compare(stored, owner).refused.map(\.key).contains("training.synchronization"))
        #expect(compare(owner, stored).refused.map(\.key) == ["training.synchronization"])
        #expect(compare(owner, ["training.synchronization": "allreduce"]).refused.isEmpty)
    }

    @Test("data are compared by their hashes, split by split")
    func data() {
        #expect(
            compare([:], [:], data: (["a", "none"], ["b", "c"])).otherData
                == [
                    DataChange(split: "training", stored: "a", found: "b"),
                    DataChange(split: "validation", stored: nil, found: "c")
                ])
        #expect(compare([:], [:], data: (["a"], ["a", "none"])).otherData.isEmpty)
    }
}
