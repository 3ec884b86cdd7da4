import CProcesses
import Foundation

/// Runs `body` on this thread with a stack of `ownStackBytes` at least: where `ulimit -s` gives less, on one of its own, since the
/// program needs more than the smallest that a user may set. (A thread would do as well, but `ulimit -u` may refuse it.)
///
/// For the first thread of the program and once: what the system counts against the limit is that thread's stack.
package func withRoomForCalls(_ body: () -> Void) {
    var limit = rlimit()
    let isRoomy = getrlimit(__rlimit_resource_t(RLIMIT_STACK.rawValue), &limit) != 0 || limit.rlim_cur >= rlim_t(ownStackBytes)
    let page = sysconf(Int32(_SC_PAGESIZE))
    // One page more, which nobody may touch: who goes beyond the stack's end stops there.
    guard !isRoomy,
        let stack = mmap(nil, ownStackBytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        stack != MAP_FAILED, mprotect(stack, page, PROT_NONE) == 0
    else { return body() }
    defer { munmap(stack, ownStackBytes + page) }
    let code = withoutActuallyEscaping(body) { body in
        let call = Call(body)
        return withExtendedLifetime(call) {
            dtrain_call_on_stack(
                stack + page, ownStackBytes,
                { call in
                    if let call { Unmanaged<Call>.fromOpaque(call).takeUnretainedValue().body() }
                }, Unmanaged.passUnretained(call).toOpaque())
        }
    }
    if code != 0 { body() }
}

private final class Call {
    let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }
}
