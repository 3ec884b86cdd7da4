import ArgumentParser
import Diagnostics

/// `dtrain completion SHELL`.
struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion",
        abstract: "The script with which a shell completes commands, options and files.",
        discussion:
            "bash: source <(dtrain completion bash), in ~/.bashrc. zsh: dtrain completion zsh > a folder of $fpath/_dtrain. fish: "
            + "dtrain completion fish > ~/.config/fish/completions/dtrain.fish. launch/install.sh puts all three where shells look."
    )

    /// The shells that there is a script for.
    enum Shell: String, CaseIterable, ExpressibleByArgument { case bash, zsh, fish }

    @Argument(help: "The shell.")
    var shell: Shell

    func run() throws {
        let kind: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        try StandardStream.output.write(Dtrain.completionScript(for: kind) + "\n")
    }
}
