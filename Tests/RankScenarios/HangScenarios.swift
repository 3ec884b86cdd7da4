import Collectives
import Diagnostics
import Foundation
import Training
import Watching

/// Ranks that hang in ways that can't be brought about from outside, watched by the program that is named.
let hangScenarios = [
    Scenario(name: "hang-in-mpi") { communicator in
        let watch = try watched(communicator, stallTimeout: 2)
        defer { watch?.end() }
        guard communicator.rank == 1 else { return try communicator.barrier() }
        // A message that nobody sends.
        var byte: UInt8 = 0
        try withUnsafeMutableBytes(of: &byte) { try communicator.exchange(sending: [], receiving: [Incoming(from: 0, $0)]) }
    },
    Scenario(name: "hang-in-kernel") { communicator in
        let watch = try watched(communicator, stallTimeout: 2)
        defer { watch?.end() }
        communicator.pulse.begin(step: 3)
        communicator.pulse.turn(to: .forward)
        if communicator.rank == 1 { sleep(1000) }
        try communicator.barrier()
    },
    Scenario(name: "long-computation") { communicator in
        let watch = try watched(communicator, stallTimeout: nil)
        defer { watch?.end() }
        communicator.pulse.begin(step: 3)
        communicator.pulse.turn(to: .forward)
        let end = Date().addingTimeInterval(4)
        while communicator.rank == 1, Date() < end {}
        try communicator.barrier()
    }
]

private func watched(_ communicator: any Communicator, stallTimeout: Double?) throws -> RankWatch? {
    try RankWatch(
        over: communicator, stallTimeout: stallTimeout, program: CommandLine.arguments[2], arguments: ["watch"], addresses: [])
}
