#define _GNU_SOURCE
#include "CWatching.h"
#include "CProcesses.h"
#include "bare_fork.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int dtrain_nameless_file(size_t size, int *descriptor) {
    int file = memfd_create("dtrain-pulses", MFD_CLOEXEC);
    if (file < 0) return errno;
    if (ftruncate(file, (off_t)size) != 0) {
        int code = errno;
        close(file);
        return code;
    }
    *descriptor = file;
    return 0;
}

enum { first_given = 3, most_given = 8 };

// Has all descriptors from `first` on closed by exec.
static int close_on_exec_from(int first) {
#ifdef SYS_close_range
    // CLOSE_RANGE_CLOEXEC; Linux 5.11.
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 4u) == 0) return 0;
#endif
    for (int descriptor = first; descriptor < 4096; descriptor++) {
        int flags = fcntl(descriptor, F_GETFD);
        if (flags >= 0 && fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC) != 0) return -1;
    }
    return 0;
}

// What the child does between fork and exec: the parent has other threads, so it calls nothing but what may be called in a
// signal handler. Returns only when the program can't be run.
static int become_watcher(const char *path, char *const arguments[], char *const environment[], const int *given, int count,
                          int report, pid_t parent) {
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    // The parent may have died before it could be said to die with it.
    if (getppid() != parent) _exit(127);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return errno;
    // Out of the way of the places that they go to; what is open there is closed by exec or replaced.
    int kept[most_given];
    for (int index = 0; index < count; index++) {
        kept[index] = given[index] < 0 ? -1 : fcntl(given[index], F_DUPFD_CLOEXEC, first_given + most_given);
        if (given[index] >= 0 && kept[index] < 0) return errno;
    }
    // Libraries leave theirs open across exec: connections of MPI must not live on in another process.
    if (close_on_exec_from(first_given) != 0) return errno;
    int moved = fcntl(report, F_DUPFD_CLOEXEC, first_given + most_given);
    if (moved < 0) return errno;
    for (int index = 0; index < count; index++) {
        if (kept[index] < 0) {
            close(first_given + index);
        } else if (dup2(kept[index], first_given + index) < 0) {
            return errno;
        }
    }
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(path, arguments, environment);
    int code = errno;
    ssize_t ignored = write(moved, &code, sizeof code);
    (void)ignored;
    _exit(127);
}

int dtrain_start_watcher(const char *path, char *const arguments[], char *const environment[], const int *given, int count,
                         pid_t *process, const char **call) {
    *call = "pipe";
    if (count < 0 || count > most_given) return EINVAL;
    // Closed by a successful exec; otherwise it carries errno.
    int reader, writer;
    int code = dtrain_pipe(&reader, &writer);
    if (code != 0) return code;
    *call = "fork";
    pid_t parent = getpid();
    pid_t child = bare_fork();
    if (child < 0) {
        code = errno;
        close(reader);
        close(writer);
        return code;
    }
    if (child == 0) {
        code = become_watcher(path, arguments, environment, given, count, writer, parent);
        ssize_t ignored = write(writer, &code, sizeof code);
        (void)ignored;
        _exit(127);
    }
    close(writer);
    *call = "execve";
    ssize_t got;
    do got = read(reader, &code, sizeof code);
    while (got < 0 && errno == EINTR);
    close(reader);
    if (got == sizeof code) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        return code;
    }
    *process = child;
    return 0;
}

static int asked_status;

static void end_as_asked(int number) {
    (void)number;
    _exit(asked_status);
}

// One that neither MPI nor a launcher uses.
static int end_signal(void) { return SIGRTMIN + 7; }

void dtrain_end_when_asked(int status) {
    asked_status = status;
    struct sigaction action = {0};
    action.sa_handler = end_as_asked;
    sigaction(end_signal(), &action, NULL);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, end_signal());
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

int dtrain_outlive_parent(void) { return prctl(PR_SET_PDEATHSIG, 0) == 0 ? 0 : errno; }

int dtrain_ask_to_end(pid_t process) {
    if (kill(process, end_signal()) != 0) return errno;
    return kill(process, SIGCONT) == 0 ? 0 : errno;
}
