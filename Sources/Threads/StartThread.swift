import Diagnostics
import Dispatch
import Foundation

/// Runs `body` on a thread of its own, which ends with it. (Foundation's `Thread` doesn't tell when the system refuses
/// one: whoever waits for its work would wait for ever.)
///
/// - Parameters:
///   - name: what `top -H` shows, at most 15 characters.
///   - purpose: what it is for, as a message says it: "that writes checkpoints".
///   - stackBytes: nil for what a library's threads get.
/// - Throws: `Failure(.systemRefused)`.
package func startThread(
    _ name: String, purpose: String, stackBytes: Int? = ownStackBytes,
    _ body: @escaping @Sendable () -> Void
) throws(Failure) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    if let stackBytes { pthread_attr_setstacksize(&attributes, stackBytes) }
    let work = Unmanaged.passRetained(Work(name: name, body: body))
    var thread = pthread_t()
    let code = pthread_create(
        &thread, &attributes,
        { work in
            if let work { Unmanaged<Work>.fromOpaque(work).takeRetainedValue().run() }
            return nil
        }, work.toOpaque())
    guard code == 0 else {
        work.release()
        throw Failure(
            .systemRefused,
            "the system refuses the thread \(purpose): \(String(cString: strerror(code)))"
                + describeLimits())
    }
}

/// The stack of our threads, bytes. Nothing of ours recurses deeply, and `ulimit -s` may say too little, or so much that no
/// limit of memory has room for it.
package let ownStackBytes = 1 << 20

/// Makes sure that `count` threads can be had, by having as many for a moment: before something is begun that can't be
/// finished without, and before a library that has its own way to fail.
/// - Throws: `Failure(.systemRefused)`.
package func checkThreads(_ count: Int, purpose: String, stackBytes: Int? = ownStackBytes) throws(Failure) {
    let end = DispatchSemaphore(value: 0)
    let ended = DispatchSemaphore(value: 0)
    var made = 0
    defer {
        for _ in 0..<made { end.signal() }
        for _ in 0..<made { ended.wait() }
    }
    while made < count {
        try startThread("dtrain-probe", purpose: purpose, stackBytes: stackBytes) {
            end.wait()
            ended.signal()
        }
        made += 1
    }
}

/// What a thread is made of; it belongs to the thread.
private final class Work {
    private let name: String
    private let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }

    func run() {
        // pthread_setname_np can't be called from Swift. It is of no consequence if this fails.
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        if file >= 0 {
            _ = write(file, name, name.utf8.count)
            close(file)
        }
        body()
    }
}

/// The limits that may be the cause.
private func describeLimits() -> String {
    func limit(_ resource: __rlimit_resource, _ text: (UInt) -> String) -> String? {
        var limit = rlimit()
        guard getrlimit(Int32(resource.rawValue), &limit) == 0, limit.rlim_cur < UInt(Int.max) else { return nil }
        return text(limit.rlim_cur)
    }
    let found = [
        limit(__RLIMIT_NPROC) { "\($0) processes and threads of this user (ulimit -u)" },
        limit(RLIMIT_AS) { "\($0 / 1_000_000) MB of memory (ulimit -v)" }
    ].compactMap { $0 }
    return found.isEmpty
        ? "; the limit of processes may be the container's (pids.max)"
        : "; the limits are \(found.joined(separator: ", "))"
}
