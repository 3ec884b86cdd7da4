import Diagnostics

/// `--restart N`: what a launcher needs to know of a run to start its job again.
package struct Restarts: Sendable {
    /// How often the job is started again, at most. It doesn't begin anew after progress, as of torchrun's `--max-restarts`.
    let most: Int
    /// The step of the run's newest checkpoint; nil where there is none, or this host doesn't see the run directory.
    let newestStep: @Sendable () -> Int?
    /// The newest lines of a rank's log, where this host sees it.
    let lastWords: @Sendable (_ rank: Int) -> [String]

    package init(
        most: Int, newestStep: @escaping @Sendable () -> Int?,
        lastWords: @escaping @Sendable (_ rank: Int) -> [String] = { _ in [] }
    ) {
        self.most = most
        self.newestStep = newestStep
        self.lastWords = lastWords
    }

    /// Whether another start may help after this exit code: not where the run is done or was asked to stop, and not where the
    /// command line, the configuration or the data are what is wrong.
    package static func mayHelp(after code: Int32) -> Bool {
        let final: [ExitCode] = [.success, .usage, .badData, .missingInput, .cannotCreate, .interrupted, .badConfiguration]
        // 130: the person at the keyboard has asked twice.
        return code != 130 && !final.contains { $0.rawValue == code }
    }

    /// The command line of a start that goes on with the run, whatever the first one began from; nil where that began from
    /// weights or a checkpoint elsewhere and no checkpoint of the run's own is there yet: without those it would be another run.
    package static func arguments(after arguments: [String], hasCheckpoint: Bool) -> [String]? {
        var kept: [String] = []
        var beginsElsewhere = false
        var index = 0
        while index < arguments.count, arguments[index] != "--" {
            let argument = arguments[index]
            index += 1
            let name = argument.prefix { $0 != "=" }
            guard name == "--resume" || name == "--initialize" else {
                kept.append(argument)
                continue
            }
            if name != argument {
                beginsElsewhere = true
            } else if index < arguments.count, !arguments[index].hasPrefix("-"), !isConfiguration(arguments[index]) {
                beginsElsewhere = true
                index += 1
            }
        }
        guard hasCheckpoint || !beginsElsewhere else { return nil }
        return kept + ["--resume"] + arguments[index...]
    }

    /// What may stand behind a bare `--resume` and isn't its value.
    private static func isConfiguration(_ argument: String) -> Bool {
        argument.hasSuffix(".yaml") || argument.hasSuffix(".yml")
    }
}
