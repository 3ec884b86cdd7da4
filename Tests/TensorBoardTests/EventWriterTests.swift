import Diagnostics
import Files
import Foundation
import TensorBoard
import TestSupport
import Testing

@Suite("Event files")
struct EventWriterTests {
    private func folder(_ run: String) -> String { run + "/" + EventFile.folderName }

    private func files(_ run: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder(run)).sorted().map { folder(run) + "/" + $0 }
    }

    private func writer(_ run: String, seconds: Int = 1000, firstStep: Int = 1) throws -> EventWriter {
        try EventWriter(
            try EventFile(in: Directory(Place(run)), seconds: seconds, host: "a host/b"), tags: ["train/loss", "train/rate"],
            firstStep: firstStep, wallTime: 5)
    }

    @Test("hold what was handed over, in its order, with version and start in front")
    func content() throws {
        try withTemporaryFolder { run in
            let writer = try writer(run)
            for step in 1...10_000 {
                writer.push(step: step, wallTime: Double(step)) {
                    $0[0] = 1 / Double(step)
                    $0[1] = step % 2 == 0 ? .nan : 7
                }
            }
            writer.submit(step: 10_000, wallTime: 8) {
                [
                    .scalar(tag: "validation/loss", 0.5),
                    .histogram(tag: "weights/a", [1, 2, 3].withUnsafeBufferPointer { Histogram($0) }),
                    .image(tag: "inputs", width: 3, height: 2, channels: 1, png: [9, 8, 7]), .text(tag: "note", "a *b*"),
                    .hyperparameters(.start(settings: ["x": "1e-3", "y": "true", "z": "adam"], name: "r", wallTime: 2))
                ]
            }
            writer.close()
            #expect(writer.takeFailure() == nil)
            let file = try #require(try files(run).first)
            #expect(file.hasPrefix(folder(run) + "/events.out.tfevents.0000001000.a_host_b."))
            let events = try EventReader.events(path: file)
            #expect(events[0].version == "brain.Event:2" && events[1].isStart && events[1].step == 1)
            let steps = events.filter { $0.values.first?.tag == "train/loss" }
            #expect(steps.map(\.step) == Array(1...10_000))
            #expect(steps.allSatisfy { $0.values[0].scalar == Float(1 / Double($0.step)) && $0.wallTime == Double($0.step) })
            // NaN is no value.
            #expect(steps.allSatisfy { $0.values.count == ($0.step % 2 == 0 ? 1 : 2) })
            let values = try #require(events.first { $0.values.first?.tag == "validation/loss" }).values
            #expect(values[0].scalar == 0.5 && values[1].histogram?.count == 3 && values[1].histogram?.counts.count == 30)
            #expect(values[2].image?.png == [9, 8, 7] && values[2].image?.width == 3 && values[2].image?.height == 2)
            #expect(values[3].tag == "note/text_summary" && values[3].text == "a *b*" && values[3].plugin == "text")
            #expect(values[4].tag == "_hparams_/session_start_info" && values[4].plugin == "hparams")
            let session = try EventReader.fields(try EventReader.fields(values[4].content[...])[0].bytes)
            let settings = try session.filter { $0.number == 1 }.map { try EventReader.fields($0.bytes) }
            #expect(settings.map { $0[0].text } == ["x", "y", "z"])
            let kinds = try settings.map { try EventReader.fields($0[1].bytes)[0] }
            #expect(kinds[0].number == 2 && kinds[0].double == 1e-3 && kinds[1].number == 4 && kinds[1].word == 1)
            #expect(kinds[2].number == 3 && kinds[2].text == "adam")
        }
    }

    @Test("of later starts come behind those of earlier ones, also in the same second and where the clock was set back")
    func order() throws {
        try withTemporaryFolder { run in
            for (number, seconds) in [1000, 1000, 900].enumerated() {
                try writer(run, seconds: seconds, firstStep: number * 10 + 1).close()
            }
            let starts = try files(run).map { try EventReader.events(path: $0)[1].step }
            #expect(starts == [1, 11, 21])
        }
    }

    @Test("that can't be written are told of once, and whoever hands over goes on")
    func fullDisk() throws {
        try withTemporaryFolder { run in
            let disk = FaultyDisk { index, call, _ in call == "write" && index > 3 ? .tear(ENOSPC) : .pass }
            let writer = try EventWriter(
                try EventFile(in: Directory(Place(run), fileSystem: disk), seconds: 1), tags: ["a"], firstStep: 1, wallTime: 0)
            for step in 1...20_000 { writer.push(step: step, wallTime: 0) { $0[0] = 1 } }
            writer.waitForJobs()
            writer.close()
            let failure = try #require(writer.takeFailure())
            #expect(failure.message.contains("No space left on device") && failure.message.contains("training goes on"))
            #expect(writer.takeFailure() == nil)
        }
    }

    @Test("aren't made through a link, nor where something else has the folder's name")
    func foreign() throws {
        try withTemporaryFolder { run in
            symlink("/tmp", folder(run))
            #expect(throws: Failure.self) { try writer(run) }
            unlink(folder(run))
            FileManager.default.createFile(atPath: folder(run), contents: Data())
            #expect(throws: Failure.self) { try writer(run) }
        }
    }
}
