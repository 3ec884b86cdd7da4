import Diagnostics
import Foundation
import Storage
import Watching

/// The ranks of a job and how they talk. Training sees nothing else of MPI.
///
/// Every call but `rank` and `size` is collective: all ranks make it in the same order. A failure of a call is a
/// `Failure` that names call, rank and the library's own text.
package protocol Communicator: AnyObject, Sendable {
    /// This rank, 0 ..< `size`.
    var rank: Int { get }
    /// How many ranks there are.
    var size: Int { get }

    /// Which ranks run on one host.
    var topology: Topology { get }

    /// This rank's signs of life, for whoever watches it.
    var pulse: Pulse { get set }

    /// Returns when all ranks have come here.
    func barrier() throws

    /// Memory that the ranks of each host share. Where it is too small for what all ranks ask for, which is found out
    /// before any is touched, every rank gets memory of its own.
    ///
    /// - Parameter byteCount: what this rank asks for, told whether it is the first of those that share.
    func shareMemory(_ byteCount: (_ isFirst: Bool) -> Int) throws -> HostMemoryGrant

    /// `bytes` of rank `root` replace those of all others, which have as many.
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws

    /// The bytes of all ranks one behind the other, in rank order. `counts` holds the number of bytes of each rank.
    /// With `own` nil this rank's bytes are in their place in `all` already.
    func allGather(_ own: UnsafeRawBufferPointer?, into all: UnsafeMutableRawBufferPointer, counts: [Int]) throws

    /// The bytes of all ranks one behind the other, as many of each. Takes no memory after its first call of that size.
    func allGather(_ own: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws

    /// Sends and receives everything in the two lists at once. What one rank sends another the other receives in the
    /// same order and size.
    func exchange(sending: [Outgoing], receiving: [Incoming]) throws

    /// Messages of this rank's own choosing, with tags from 16 on: not collective.
    ///
    /// - Parameter places: how many there can be under way at once.
    func messages(places: Int) throws -> any Messages

    /// Whether a second thread may make calls while this one computes.
    var allowsThread: Bool { get }

    /// Begins to add up the values of all ranks, element by element, in the library's order: not part of law 1. They must
    /// stay in place until `finishAllReduce`.
    func beginAllReduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws

    /// Lets the sums that were begun move on: without it they stand still while this rank computes.
    func progressAllReduces() throws

    /// Returns when the sum that was begun first, of those that this call hasn't returned for, is complete.
    func finishAllReduce() throws

    /// A roll call: returns on all ranks when all have come here. Where some don't come in time, rank 0 gets their numbers,
    /// ascending, and can only `abort`; the others wait.
    func missingRanks(withinSeconds seconds: Double) throws -> [Int]

    /// Ends the job at once, all ranks, with this exit status. For a failure that the other ranks can't know of.
    func abort(_ code: ExitCode) -> Never
}

/// Bytes for another rank. They must stay in place until `exchange` returns.
package struct Outgoing {
    package let rank: Int
    package let bytes: UnsafeRawBufferPointer

    package init(to rank: Int, _ bytes: UnsafeRawBufferPointer) {
        self.rank = rank
        self.bytes = bytes
    }

    package init(to rank: Int, _ numbers: MatrixView) {
        self.init(to: rank, UnsafeRawBufferPointer(UnsafeBufferPointer(start: numbers.base, count: numbers.count)))
    }
}

/// Room for bytes of another rank.
package struct Incoming {
    package let rank: Int
    package let bytes: UnsafeMutableRawBufferPointer

    package init(from rank: Int, _ bytes: UnsafeMutableRawBufferPointer) {
        self.rank = rank
        self.bytes = bytes
    }

    package init(from rank: Int, _ numbers: MutableMatrixView) {
        self.init(from: rank, UnsafeMutableRawBufferPointer(numbers.elements))
    }
}

extension Communicator {
    /// Every rank's numbers, which may be of different length, in rank order. For set-up and reports.
    package func allGather(_ own: [UInt8]) throws -> [[UInt8]] {
        var counts = [Int64](repeating: 0, count: size)
        let ownCount = [Int64(own.count)]
        try ownCount.withUnsafeBytes { ownBytes in
            try counts.withUnsafeMutableBytes {
                try allGather(ownBytes, into: $0, counts: Array(repeating: MemoryLayout<Int64>.size, count: size))
            }
        }
        let sizes = counts.map(Int.init)
        var all = [UInt8](repeating: 0, count: max(1, sizes.reduce(0, +)))
        try own.withUnsafeBytes { ownBytes in
            try all.withUnsafeMutableBytes { try allGather(ownBytes, into: $0, counts: sizes) }
        }
        var start = 0
        return sizes.map { size in
            defer { start += size }
            return Array(all[start..<start + size])
        }
    }

    /// Every rank's text in rank order.
    package func allGather(_ text: String) throws -> [String] {
        try allGather(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The name of every rank's host, in rank order. Collective.
    package func hostNames() throws -> [String] { try allGather(hostName()) }

    /// The text of rank `root`.
    package func broadcast(_ text: String, from root: Int) throws -> String {
        try allGather(rank == root ? text : "")[root]
    }

    /// Agrees on whether set-up worked everywhere: throws on all ranks the failure of the lowest rank that has one.
    /// Collective; `AgreedFailure` says which rank speaks.
    package func agree<Value>(_ work: () throws -> Value) throws -> Value {
        var value: Value?
        var own: Failure?
        do {
            value = try work()
        } catch let failure as Failure {
            own = failure
        } catch {
            own = Failure(.internalError, "\(error)")
        }
        let texts = try allGather(own.map { "\($0.code.rawValue) \($0.message)" } ?? "")
        for (rank, text) in texts.enumerated() where !text.isEmpty {
            let code = ExitCode(rawValue: Int32(text.prefix { $0 != " " }) ?? 0) ?? .internalError
            throw AgreedFailure(rank: rank, failure: Failure(code, String(text.drop { $0 != " " }.dropFirst())))
        }
        guard let value else { throw Failure(.internalError, "an agreed success without a value") }
        return value
    }
}

/// A failure that all ranks know of: the lowest rank that met it prints it, all end with its code.
package struct AgreedFailure: Error {
    package let rank: Int
    package let failure: Failure

    package init(rank: Int, failure: Failure) {
        self.rank = rank
        self.failure = failure
    }
}

/// The name of this process's host; empty where the system has none.
package func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    // The last byte stays zero, whatever the system does with a name that is too long.
    guard gethostname(&name, name.count - 1) == 0 else { return "" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
