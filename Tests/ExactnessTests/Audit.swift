import Foundation
import Testing
import Training

/// What `training.audit` logged of a run.
struct Audit {
    struct Line: Decodable, Equatable {
        let event: String
        let step: Int, epoch: Int, samples: Int
        /// Hexadecimal.
        let hash: String
    }

    var lines: [Line]

    init(_ run: Run) throws {
        lines = try run.log.split(separator: "\n").filter { $0.hasPrefix("{\"event\":\"audit\"") }.map {
            try JSONDecoder().decode(Line.self, from: Data($0.utf8))
        }
    }

    /// The epochs, from 1 to `epochs`, in which not every one of so many samples was used exactly once.
    func brokenEpochs(_ epochs: Int, sampleCount: Int) -> [Int] {
        let expected = (0..<sampleCount).reduce(0 as UInt64) { $0 &+ auditHash($1) }
        return (1...epochs).filter { epoch in
            let own = lines.filter { $0.epoch == epoch }
            return own.reduce(0) { $0 + $1.samples } != sampleCount
                || own.reduce(0 as UInt64) { $0 &+ (UInt64($1.hash, radix: 16) ?? 0) } != expected
        }
    }
}
