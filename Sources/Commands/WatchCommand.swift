import ArgumentParser
import Watching

/// `dtrain watch`: what a rank starts to be watched; not for people.
struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Watches the ranks of a host.", shouldDisplay: false)

    func run() throws { try Watcher.run() }
}
