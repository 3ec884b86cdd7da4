import Diagnostics
import Files
import Foundation
import Settings
import Training

/// One setting of a sweep's parameters.
package struct Trial: Sendable, Equatable {
    /// From 0.
    package let number: Int
    /// The value of each parameter, in their order, as `--set` takes it.
    package let values: [String]

    /// Its run directory's name in that of the sweep.
    package var name: String { Self.name(number) }

    static func name(_ number: Int) -> String {
        let digits = String(number)
        return "trial-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

/// What SWEEP.yaml says, and the trials that follow from it.
package struct SweepPlan: Sendable {
    /// The name of the file, which names the sweep.
    package let name: String
    /// The configuration that is varied; nil: the built-in one.
    package let configurationPath: String?
    /// Where the runs and the results go; nil: `runs/<name>`.
    package let directory: String?
    /// What the trials are compared by, such as `validation_loss`: its best value while a trial is trained.
    package let metric: String
    /// Nil where the metric itself says which value is the better one.
    package let mode: SweepMode?
    package let method: SweepMethod
    package let parameters: [SweepParameter]
    package let trials: [Trial]
    /// Everything that was read, with its defaults: what two sweeps are compared by.
    package let effective: String
    /// The file, and where metric and method stand in it, for messages.
    let documentName: String, metricPlace: String, methodPlace: String

    /// The most problems that one message tells of.
    static let mostProblems = 10

    /// - Parameters:
    ///   - document: SWEEP.yaml.
    ///   - name: what the sweep is called.
    /// - Throws: `Failure` with 78 that tells of all places.
    package init(_ document: SettingsDocument, name: String) throws {
        self.name = name
        documentName = document.name
        let root = try document.root
        var problems: [String] = []
        func read<Value>(_ body: () throws -> Value) throws -> Value? {
            do {
                return try body()
            } catch let failure as Failure where failure.code == .badConfiguration {
                problems.append(failure.message)
                return nil
            }
        }
        configurationPath = try read { try root.optionalString("configuration") } ?? nil
        directory = try read { try root.optionalString("directory") } ?? nil
        metric = try read { try root.string("metric", default: "validation_loss") } ?? ""
        mode = try read { try Self.mode(root) } ?? nil
        metricPlace = root.failure("metric", "").message
        methodPlace = root.failure("method", "").message
        let method = try read { try SweepMethod(root) }
        let section = try read { try root.section("parameters") }
        var parameters: [SweepParameter] = []
        for key in section?.keys ?? [] {
            guard let section, let parameter = try read({ try SweepParameter(section, key) }) else { continue }
            parameters.append(parameter)
            guard case .grid? = method, try read({ try Self.requireChoices(parameter, section) }) == nil else { continue }
        }
        if let section, section.keys.isEmpty {
            problems.append(
                root.failure("parameters", "nothing to vary; expected a key of the configuration and its values").message)
        }
        // What wasn't read above would be called unknown.
        if problems.isEmpty { _ = try read { try root.finish() } }
        guard problems.isEmpty, let method else { throw Self.failure(problems, in: document.name) }
        self.method = method
        self.parameters = parameters
        effective = try root.effectiveYAML()
        trials = try Self.trials(method, parameters, root)
    }

    /// The sweep in the file at `path`.
    package init(path: String) throws {
        let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
        try self.init(try SettingsDocument(path: path), name: name.isEmpty ? "sweep" : name)
    }

    /// One message for all that is wrong.
    static func failure(_ problems: [String], in name: String) -> Failure {
        guard problems.count != 1 else { return Failure(.badConfiguration, problems[0]) }
        let shown = problems.prefix(mostProblems)
        let rest = problems.count - shown.count
        return Failure(
            .badConfiguration,
            "\(name): \(problems.count) problems: "
                + shown.enumerated().map { "(\($0.offset + 1)) \($0.element)" }.joined(separator: "; ")
                + (rest > 0 ? "; and \(rest) more" : ""))
    }

    private static func mode(_ root: Settings) throws -> SweepMode? {
        guard root.has("mode") else { return nil }
        return SweepMode(rawValue: try root.choice("mode", of: SweepMode.allCases.map(\.rawValue)))
    }

    private static func requireChoices(_ parameter: SweepParameter, _ section: Settings) throws {
        guard case .choices = parameter.values else {
            throw section.failure(
                parameter.key, "a grid is made of choices; list the values ({choices: [...]}), or draw them (method: random)")
        }
    }

    private static func trials(_ method: SweepMethod, _ parameters: [SweepParameter], _ root: Settings) throws -> [Trial] {
        switch method {
        case .random(let count, let seed), .successiveHalving(_, let count, let seed):
            return (0..<count).map { number in
                Trial(number: number, values: parameters.map { $0.drawn(trial: number, seed: seed) })
            }
        case .grid:
            let lists = parameters.map { parameter -> [String] in
                if case .choices(let choices) = parameter.values { choices } else { [] }
            }
            var count = 1
            for list in lists {
                count *= list.count
                guard count <= SweepMethod.mostTrials else {
                    throw root.failure(
                        "method",
                        "a grid of more than \(SweepMethod.mostTrials) trials; take choices out, or draw some (random)")
                }
            }
            // The last parameter changes first.
            return (0..<count).map { number in
                var rest = number
                let values = lists.reversed().map { list -> String in
                    defer { rest /= list.count }
                    return list[rest % list.count]
                }
                return Trial(number: number, values: Array(values.reversed()))
            }
        }
    }

    /// `key value, …` of a trial, for people.
    package func description(of trial: Trial) -> String {
        zip(parameters, trial.values).map { "\($0.key) \($1)" }.joined(separator: ", ")
    }

    /// What `--set` would be given for a trial.
    func overrides(of trial: Trial, without left: Set<String> = []) -> [String] {
        zip(parameters, trial.values).filter { !left.contains($0.0.key) }.map { "\($0.key)=\($1)" }
    }
}

/// The configuration that a sweep varies, as it was when the sweep began.
package struct SweepBase: Sendable {
    /// What messages call it.
    package let name: String
    package let text: String
    /// What it can name.
    private let catalogue: Catalogue

    package init(name: String, text: String, catalogue: Catalogue = .standard) {
        self.name = name
        self.text = text
        self.catalogue = catalogue
    }

    /// The one that the plan names.
    package init(_ plan: SweepPlan, catalogue: Catalogue) throws {
        guard let path = plan.configurationPath else {
            self.init(name: "the built-in configuration", text: builtInConfiguration, catalogue: catalogue)
            return
        }
        self.init(name: path, text: try SettingsDocument.text(path: path), catalogue: catalogue)
    }

    /// With a trial's values, as `--set` would have them.
    package func configuration(_ plan: SweepPlan, _ trial: Trial, without left: Set<String> = []) throws
        -> TrainingConfiguration
    {
        let overrides = plan.overrides(of: trial, without: left)
        return try TrainingConfiguration(
            try SettingsDocument(text: text, name: name, overrides: overrides), name: trial.name, catalogue: catalogue)
    }

    /// All keys and values, whatever comments and blanks the text has.
    var values: [String] {
        get throws { try SettingsDocument(text: text, name: name).values.map { "\($0.key): \($0.value)" } }
    }
}
