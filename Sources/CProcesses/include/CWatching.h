// What Swift can't say to the system about a process that watches others.
#ifndef DTRAIN_CWATCHING_H
#define DTRAIN_CWATCHING_H

#include <stddef.h>
#include <sys/types.h>

/// Makes a file of `size` zero bytes that has no name, so that it ends with its last user (memfd_create(2)). No other program
/// inherits it. Returns 0 and sets `descriptor`, or `errno`.
int dtrain_nameless_file(size_t size, int *descriptor);

/// Starts a program that watches the calling process and dies with the calling thread, as `dtrain_start_bound` does, and with
/// the caller's standard error; standard output is that too. The descriptors of `given` become its 3, 4, …; a number below 0
/// leaves that place closed. All signals have their defaults and none is blocked, but for SIGINT, SIGTERM, SIGHUP and SIGUSR1,
/// which are ignored: they are meant for those that it watches.
///
/// Returns 0 and sets `process`; or `errno` of the call that failed, and sets `call` to its name.
int dtrain_start_watcher(const char *path, char *const arguments[], char *const environment[], const int *given, int count,
                         pid_t *process, const char **call);

/// Has the calling process end at once with `status` when its watcher asks for that. A process that is stopped ends when it is
/// let go on.
void dtrain_end_when_asked(int status);

/// Lets the calling process outlive the one that started it with `dtrain_start_watcher`. Returns 0 or `errno`.
int dtrain_outlive_parent(void);

/// Asks `process` to end so, whether it is stopped or not. Returns 0 or `errno`.
int dtrain_ask_to_end(pid_t process);

#endif
