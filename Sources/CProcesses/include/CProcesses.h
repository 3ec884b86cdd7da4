// What Swift can't say to the system about processes, signals and stacks.
#ifndef DTRAIN_CPROCESSES_H
#define DTRAIN_CPROCESSES_H

#include <stdint.h>
#include <sys/types.h>

#include "CWatching.h"

/// Starts a program that dies with the calling thread: the kernel kills it (SIGKILL) when that thread ends, in whatever
/// way (prctl(2), PR_SET_PDEATHSIG). So call it from the main thread, or from one that outlives the program.
///
/// It runs in a process group of its own, with no signal blocked, with /dev/null for standard input and the given
/// descriptors for standard output and standard error. SIGUSR1 is ignored until the program catches it; SIGPIPE and
/// SIGCHLD have their defaults; what else is ignored stays so.
///
/// Returns 0 and sets `process`; or `errno` of the call that failed, and sets `call` to its name.
int dtrain_start_bound(const char *path, char *const arguments[], char *const environment[], int output, int errors,
                       pid_t *process, const char **call);

/// Makes a pipe that no other program inherits. Returns 0 or `errno`.
int dtrain_pipe(int *reader, int *writer);

/// Leaves for the background: the calling process ends with 0, and another one goes on in a session of its own, with /dev/null
/// for its standard streams. Only where there is no other thread. Returns 0 there, or `errno` where nothing was done.
int dtrain_leave_to_background(void);

/// Renames within a directory, unless something has the new name (`EEXIST`). Returns 0, or -1 and sets `errno`.
int dtrain_rename_new(int directory, const char *old_name, const char *new_name);

/// Whether a signal is being ignored.
int dtrain_is_ignored(int signal);

/// Calls `body(argument)` on another stack, of `size` bytes from `stack` on, and returns when it does. Not from two threads
/// at once. Returns 0, or `errno` when it can't be called.
int dtrain_call_on_stack(void *stack, size_t size, void (*body)(void *), void *argument);

/// Reads `size` bytes at an address of another process (process_vm_readv(2)). Returns 0, or `errno` where it can't.
int dtrain_read_process(pid_t process, uint64_t address, void *into, size_t size);

#endif
