import Collectives
import Commands
import Diagnostics
import Foundation

/// A program of your own that is dtrain, or trains with it. It behaves under mpirun as `dtrain` does: ranks, signals, watchers, exit
/// statuses. It may be started anew by itself, to watch ranks or to start them: call one of these first thing.
public enum Program {
    /// All commands of dtrain, with configurations that can name what `catalogue` adds; then ends the process.
    ///
    ///     @main enum OwnLayer {
    ///         static func main() { Program.main(Catalogue(layers: [Bell.self])) }
    ///     }
    ///
    /// `mpirun -np 2 OwnLayer train mine.yaml` trains with it, `OwnLayer eval runs/mine` knows the layer too.
    public static func main(_ catalogue: Catalogue) -> Never {
        do {
            Entry.main(try catalogue.whole())
        } catch {
            end(error)
        }
        exit(0)
    }

    /// Calls `body` with the ranks that mpirun started, or with one, then ends the process: with 0, with 75 where a signal asked it to
    /// stop, or with a message and its status where `body` throws. The command line is yours.
    ///
    ///     Program.perform { ranks in
    ///         let outcome = try Run(.digits).train(on: ranks)
    ///         if ranks.rank == 0 { print(outcome.step) }
    ///     }
    public static func perform(_ body: (Ranks) throws -> Void) -> Never {
        Entry.perform { communicator in
            try forDtrain {
                try body(Ranks(communicator: communicator))
            } else: {
                Diagnostics.Failure(.internalError, $0)
            }
        }
    }

    private static func end(_ error: any Error) -> Never {
        let failure = Failure(error)
        Entry.tell(failure.message)
        exit(failure.exitStatus)
    }
}

/// The ranks of a job, of which this process is one.
public struct Ranks {
    /// From 0.
    public var rank: Int { communicator.rank }
    /// How many there are.
    public var count: Int { communicator.size }

    let communicator: any Communicator
}
