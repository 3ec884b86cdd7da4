import Diagnostics

/// What a configuration can choose from by name: all layers, say. A value; whoever reads a configuration is handed one.
package struct Choices<Choice: Sendable>: Sendable {
    /// What a choice is called in messages: `layer`.
    private let noun: String
    private var choices: [(name: String, choice: Choice)]

    package init(_ noun: String, _ choices: [(name: String, choice: Choice)]) {
        self.noun = noun
        self.choices = []
        for (name, choice) in choices { add(choice, named: name) }
    }

    /// All names, in the order in which they were added.
    package var names: [String] { choices.map(\.name) }

    /// All choices, in that order.
    package var all: [Choice] { choices.map(\.choice) }

    /// Adds a choice under a name that no other has.
    package mutating func add(_ choice: Choice, named name: String) {
        precondition(!choices.contains { $0.name == name }, "two choices for the \(noun) \"\(name)\"")
        choices.append((name, choice))
    }

    /// The choice of a name that is one of `names`.
    package subscript(name: String) -> Choice {
        guard let found = choices.first(where: { $0.name == name }) else { preconditionFailure("no \(noun) \"\(name)\"") }
        return found.choice
    }

    /// What `variant` names.
    /// - Throws: `Failure` with 78, with the nearest name, where there is none.
    package func choice(for variant: Settings.Variant) throws -> Choice {
        guard let found = choices.first(where: { $0.name == variant.name }) else {
            throw variant.unknown(noun, known: names)
        }
        return found.choice
    }
}
