// Beginning a child process, for this target's own files.
#ifndef DTRAIN_BARE_FORK_H
#define DTRAIN_BARE_FORK_H

#include <unistd.h>

// A fork without the handlers that libraries have put around it (pthread_atfork): the child calls nothing of theirs, and
// OpenBLAS' handler can wait for ever where two threads fork at once.
static inline pid_t bare_fork(void) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    return _Fork();
#else
    return fork();
#endif
}

#endif
