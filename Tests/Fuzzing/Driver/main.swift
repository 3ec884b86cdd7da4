import CFuzzer
import Foundation
import FuzzTargets

// fuzz-readers TARGET [OPTION OF LIBFUZZER...] [FOLDER OF INPUTS...]; `launch/fuzz.sh` starts it. Without a target it prints
// their names, a line each with the longest input in bytes.

/// What an attempt needs; set before the first one, and never changed.
private enum Job {
    nonisolated(unsafe) static var target: FuzzTarget?
    nonisolated(unsafe) static var folder: FuzzFolder?
}

let arguments = CommandLine.arguments
guard arguments.count > 1 else {
    for target in FuzzTarget.all { print(target.name, target.largestInput) }
    exit(0)
}
guard let target = FuzzTarget.all.first(where: { $0.name == arguments[1] }) else {
    FileHandle.standardError.write(
        Data("fuzz-readers: unknown target \(arguments[1]); known: \(FuzzTarget.all.map(\.name).joined(separator: " "))\n".utf8)
    )
    exit(64)
}
let folder = try FuzzFolder()
Job.target = target
Job.folder = folder

// libFuzzer keeps both for as long as it runs.
var pointers: [UnsafeMutablePointer<CChar>?] = ([arguments[0]] + arguments.dropFirst(2)).map { strdup($0) } + [nil]
let names = UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: pointers.count)
_ = names.initialize(from: pointers)
var count = Int32(pointers.count - 1)
var base = names.baseAddress
let status = LLVMFuzzerRunDriver(&count, &base) { bytes, count in
    guard let target = Job.target, let folder = Job.folder else { return -1 }
    target.run(Array(UnsafeBufferPointer(start: bytes, count: count)), in: folder, oneWay: true)
    return 0
}
folder.remove()
exit(status)
