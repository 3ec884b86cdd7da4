import Collectives
import Diagnostics
import Settings
import Testing
import Training

@Suite("Memory that is foreseen")
struct MemoryForecastTests {
    private static func experiment(_ overrides: String...) throws -> Experiment {
        let layers = "model.layers=[dense: {units: 512}, relu, dense: {units: 256}, relu, dense: {units: 10}]"
        let document = try SettingsDocument(text: builtInConfiguration, name: "wide.yaml", overrides: [layers] + overrides)
        return try Experiment(try TrainingConfiguration(document, name: "wide"))
    }

    /// Bytes of one flat buffer of that network: slots begin on cache lines, the buffer is whole blocks of 1,024.
    private static let flat = Double((64 * 512 + 512 + 512 * 256 + 256 + 256 * 10 + 16 + 1023) / 1024 * 1024 * 4)

    private func part(_ name: String, _ forecast: MemoryForecast) -> Double {
        forecast.parts.filter { $0.name == name }.reduce(0) { $0 + $1.bytes }
    }

    @Test("weights, gradients, optimizer and the copy for checkpoints are counted by the buffer")
    func parts() throws {
        let forecast = try MemoryForecast.job(Self.experiment(), rankCount: 1, availableCores: 1)[0]
        #expect(part("weights", forecast) == Self.flat && part("gradients", forecast) == Self.flat)
        #expect(part("optimizer", forecast) == 2 * Self.flat && part("copy for checkpoints", forecast) == 3 * Self.flat)
        #expect(part("neighbours' gradients", forecast) == 0 && part("messages", forecast) == 0)
        #expect(part("data", forecast) >= 1797 * 64 && part("program", forecast) > 1e6)
        #expect(forecast.shared == 0 && forecast.unshared == forecast.total)
        let sgd = try MemoryForecast.job(Self.experiment("optimizer=sgd"), rankCount: 1, availableCores: 1)[0]
        #expect(part("optimizer", sgd) == 0 && part("copy for checkpoints", sgd) == Self.flat)
        // Two passes need the gradient of the whole slice, which takes the place of the only one where there is one.
        for (rankCount, copies) in [(1, 2.0), (2, 3)] {
            let clipped = try MemoryForecast.job(
                Self.experiment("gradient_clipping.norm=1"), rankCount: rankCount, availableCores: 1)
            #expect(clipped.reduce(0) { $0 + part("optimizer", $1) } == copies * Self.flat)
        }
        #expect(part("average of the weights", forecast) == 0)
    }

    @Test("an average of the weights is each owner's, and all of it everybody's where validations look at it")
    func averages() throws {
        for (option, copies) in [("{}", 0.0), ("{validate: true}", 1)] {
            let forecasts = try MemoryForecast.job(Self.experiment("training.ema=\(option)"), rankCount: 4, availableCores: 1)
            let all = forecasts.reduce(0) { $0 + part("average of the weights", $1) }
            #expect(all == (1 + 4 * copies) * Self.flat)
            #expect(part("copy for checkpoints", forecasts[0]) == 4 * Self.flat)
        }
    }

    @Test("rows that don't fit at once are halved, and each half of a half waits in a gradient of its own")
    func spareGradients() throws {
        let experiment = try Self.experiment("model.layers.0.dense.units=40000", "training.global_batch_size=1024")
        let shares = WorkShares(experiment.sampler, rankCount: 1, summation: .tree)
        #expect(shares.subtreeCount(of: 0) == 1 && shares.rows(of: 0) == 1024)
        #expect(shares.spareGradients(of: 0, rowCapacity: 1024) == 0)
        #expect(shares.spareGradients(of: 0, rowCapacity: 1023) == 1)
        #expect(shares.spareGradients(of: 0, rowCapacity: 200) == 3)
        let wide = Double((64 * 40000 + 40000 + 40000 * 256 + 256 + 256 * 10 + 16 + 1023) / 1024 * 1024 * 4)
        let forecast = try #require(MemoryForecast.job(experiment, rankCount: 1, availableCores: 1).first)
        // 64 MiB hold 128 rows of 480,000 bytes and more, for the wide output, its gradient and that where relu has passed it:
        // 1,024 are halved three times.
        #expect(part("gradients", forecast) == 4 * wide)
    }

    @Test("ranks of a machine share one copy of the weights, and rank 0 alone keeps a copy for checkpoints")
    func ranks() throws {
        let forecasts = try MemoryForecast.job(Self.experiment(), rankCount: 4, availableCores: 1)
        #expect(forecasts.map { part("copy for checkpoints", $0) > 0 } == [true, false, false, false])
        #expect(forecasts.reduce(0) { $0 + part("optimizer", $1) } == 2 * Self.flat)
        #expect(forecasts.allSatisfy { part("weights", $0) == Self.flat })
        let alone = forecasts.reduce(0) { $0 + $1.total - part("weights", $1) - part("neighbours' gradients", $1) }
        #expect(abs(MemoryForecast.together(forecasts) - alone - Self.flat) < 1)
        // With allreduce everybody has all of it.
        let copies = try MemoryForecast.job(
            Self.experiment("training.synchronization=allreduce"), rankCount: 4,
            availableCores: 1)
        #expect(copies.allSatisfy { part("optimizer", $0) == 2 * Self.flat && $0.shared == 0 })
        #expect(abs(MemoryForecast.together(copies) - copies.reduce(0) { $0 + $1.total }) < 1)
    }

    @Test("ranks that share nothing exchange messages, which take memory too")
    func messages() throws {
        let experiment = try Self.experiment()
        let shares = WorkShares(experiment.sampler, rankCount: 2, summation: .tree)
        let forecast = MemoryForecast(
            experiment, shares: shares, rank: 0, topology: .separate(rankCount: 2),
            writesCheckpoints: false, gathersAhead: false)
        // Half of the other's gradient comes, half of its own goes.
        #expect(abs(part("messages", forecast) - Self.flat) <= 4096 && forecast.shared == 0)
    }

    @Test("what doesn't fit is refused with the parts, the bound and who sets it")
    func refusals() throws {
        let experiment = try Self.experiment()
        let one = MemoryForecast.job(experiment, rankCount: 1, availableCores: 1)
        let three = MemoryForecast.job(experiment, rankCount: 3, availableCores: 1)
        func refusal(_ forecasts: [MemoryForecast], machine: Int?, addresses: Int? = nil) -> String? {
            let bound = machine.map { MemoryLimit(bytes: $0, holder: "its control group may have", source: "/x/memory.max") }
            do {
                try experiment.checkMemory(
                    forecasts, own: 0, machine: bound,
                    addressSpace: addresses.map {
                        MemoryLimit(bytes: $0, holder: "a process may have", source: "ulimit -v")
                    }, taken: 100_000_000)
                return nil
            } catch {
                #expect((error as? Failure)?.code == .badConfiguration)
                return "\(error)"
            }
        }
        let fits = Int(one[0].total) + 1
        let together = Int(MemoryForecast.together(three)) + 1
        #expect(refusal(one, machine: nil) == nil && refusal(one, machine: fits) == nil)
        #expect(refusal(three, machine: together) == nil)
        let single = refusal(one, machine: fits - 2) ?? ""
        #expect(single.hasPrefix("wide.yaml:") && single.contains("training takes") && single.contains("of memory (program "))
        #expect(
            single.contains("but its control group may have ") && single.contains(" MB (/x/memory.max); use ")
                && single.contains("micro_batch_size"))
        // Each alone would fit.
        #expect(three.allSatisfy { Int($0.total) < together - 2 })
        let several = refusal(three, machine: together - 2) ?? ""
        #expect(several.contains("3 ranks on this machine take") && several.contains("fewer ranks"), "\(several)")
        let needed = 100_000_000 + Int(one[0].toCome)
        #expect(refusal(one, machine: nil, addresses: needed + 1) == nil)
        #expect(refusal(one, machine: nil, addresses: needed - 1)?.contains(" MB (ulimit -v); use ") == true)
    }
}
