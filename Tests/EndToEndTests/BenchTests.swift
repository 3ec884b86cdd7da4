import Foundation
import TestSupport
import Testing

@Suite("Bench")
struct BenchTests {
    @Test("bench prints windows and a table, and leaves nothing behind")
    func table() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain("bench", "--windows", "2", "--seconds", "0.1")
            expectSuccess(outcome)
            #expect(outcome.output.hasPrefix("digits: 9,610 parameters, 64 samples a step, 1 rank\n"))
            for start in [
                "window 1/2 ", "window 2/2 ", "throughput ", "step ", "matrix products ", "parameters ",
                "µs per step ", "rank 0 ", "layer, µs per step ", "0 dense + 1 relu ", "2 dense "
            ] {
                #expect(outcome.outputLines.filter { $0.hasPrefix(start) }.count == 1, "\(start): \(outcome)")
            }
            #expect(bench.names(".").isEmpty)
        }
    }

    @Test(
        "--json prints one object for each window, on rank 0 alone",
        arguments: [nil, 2, 3].filter { $0 == nil || MPIRun.isAvailable })
    func json(ranks: Int?) throws {
        try withWorkbench { bench in
            try bench.write("small.yaml", Material.digits)
            let outcome = try bench.dtrain(
                [
                    "bench", "small.yaml", "--windows", "3", "--seconds", "0.3", "--json", "--set",
                    "training.global_batch_size=32"
                ], ranks: ranks)
            expectSuccess(outcome)
            #expect(outcome.outputLines.count == 3, "\(outcome)")
            for line in outcome.outputLines {
                let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                #expect(object["program"] as? String == "dtrain" && object["workload"] as? String == "small")
                #expect(object["ranks"] as? Int == ranks ?? 1)
                for key in [
                    "samples_per_second", "gflops", "peak_gflops", "seconds", "peak_memory_bytes",
                    "memory_gbytes_per_second"
                ] {
                    #expect(object[key] as? Double ?? 0 > 0, "\(key): \(line)")
                }
                #expect(object["steps"] as? Int ?? 0 >= 1 && object["sgemm_gflops"] != nil)
                let phases = try #require(object["phases"] as? [String: Double])
                #expect(Set(phases.keys) == ["load", "forward", "backward", "reduce", "update", "wait", "other"])
                #expect(phases["forward"] ?? 0 > 0 && phases["backward"] ?? 0 > 0 && phases["update"] ?? 0 > 0)
                // The window lasts as long as on the slowest rank; phases are the mean of the ranks.
                let step = (object["seconds"] as? Double ?? 0) * 1e6 / Double(object["steps"] as? Int ?? 1)
                #expect(abs(phases.values.reduce(0, +) - step) < 0.25 * step, "\(line)")
            }
            #expect(bench.names(".") == ["small.yaml"])
        }
    }

    @Test(
        "the limit is our own: a variable that slows OpenBLAS down, or narrower vectors, leave no share above it",
        arguments: [["OPENBLAS_CORETYPE": "Prescott"], ["DTRAIN_SIMD": "256"], [:]])
    func limit(environment: [String: String]) throws {
        try withWorkbench { bench in
            let arguments = ["bench", "--windows", "2", "--seconds", "0.2", "--json", "--set", "model.layers.0.dense.units=512"]
            let outcome = try bench.dtrain(arguments, environment: environment)
            expectSuccess(outcome)
            for line in outcome.outputLines {
                let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                let products = object["gflops"] as? Double ?? .infinity
                let peak = object["peak_gflops"] as? Double ?? 0
                #expect(products < peak, "\(environment): \(line)")
            }
        }
    }

    @Test("--ranks starts the ranks", .enabled(if: MPIRun.isAvailable, "mpirun is not installed"))
    func ranks() throws {
        try withWorkbench { bench in
            let outcome = try bench.dtrain("bench", "--ranks", "2", "--windows", "1", "--seconds", "0.1")
            expectSuccess(outcome)
            #expect(outcome.outputLines.contains { $0.hasPrefix("rank 1 ") }, "\(outcome)")
        }
    }

    @Test("bad input is told as train tells it")
    func badInput() throws {
        try withWorkbench { bench in
            expectRefusal(try bench.dtrain("bench", "none.yaml"), .missingInput, ["none.yaml"])
            expectRefusal(try bench.dtrain("bench", "--set", "training.epoch=3"), .badConfiguration, ["epochs"])
            expectRefusal(try bench.dtrain("bench", "--ranks", "0"), .usage, ["--ranks 0"])
        }
    }

    @Test("a signal ends it with 75 and a table of the windows that were complete")
    func signalled() throws {
        try withWorkbench { bench in
            let job = try bench.start(["bench", "--windows", "10000", "--seconds", "0.1"])
            let running = try job.begin()
            #expect(running.waitUntil { $0.output.contains("window 2/") })
            kill(running.identifier, SIGUSR1)
            let outcome = try job.wait()
            expectEnd(outcome, .interrupted)
            #expect(outcome.output.contains("throughput "), "\(outcome)")
        }
    }
}
