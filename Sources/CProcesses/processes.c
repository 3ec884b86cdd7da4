#define _GNU_SOURCE
#include "CProcesses.h"
#include "bare_fork.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

int dtrain_pipe(int *reader, int *writer) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return errno;
    *reader = ends[0];
    *writer = ends[1];
    return 0;
}

int dtrain_is_ignored(int signal) {
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int dtrain_leave_to_background(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return errno;
    pid_t child = bare_fork();
    if (child < 0) {
        int code = errno;
        close(null);
        return code;
    }
    if (child > 0) _exit(0);
    setsid();
    for (int stream = 0; stream < 3; stream++) dup2(null, stream);
    if (null > 2) close(null);
    return 0;
}

int dtrain_rename_new(int directory, const char *old_name, const char *new_name) {
    if (renameat2(directory, old_name, directory, new_name, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    // A file system that doesn't know the flag: only an empty directory could give way, which no session's is.
    if (renameat(directory, old_name, directory, new_name) == 0) return 0;
    if (errno == ENOTEMPTY) errno = EEXIST;
    return -1;
}

// What the child does between fork and exec. The parent may have other threads, so it calls nothing but what may be
// called in a signal handler. Returns only when the program can't be run.
static int become(const char *path, char *const arguments[], char *const environment[], int output, int errors,
                  pid_t parent) {
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    // The parent may have died before it could be said to die with it.
    if (getppid() != parent) _exit(127);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) return errno;
    if (null != STDIN_FILENO) close(null);
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0) return errno;
    // An ignored signal stays ignored across exec, a handler becomes the default.
    signal(SIGUSR1, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    // mpirun would kill its ranks on these. Whoever stops all processes of a job (systemd, a batch system) sends them to
    // it as well; the ranks, for which Open MPI takes the mask away, answer with a checkpoint.
    sigset_t deadly;
    sigemptyset(&deadly);
    sigaddset(&deadly, SIGTERM);
    sigaddset(&deadly, SIGINT);
    sigaddset(&deadly, SIGHUP);
    sigprocmask(SIG_SETMASK, &deadly, NULL);
    execve(path, arguments, environment);
    return errno;
}

int dtrain_start_bound(const char *path, char *const arguments[], char *const environment[], int output, int errors,
                       pid_t *process, const char **call) {
    // Closed by a successful exec; otherwise it carries errno.
    int reader, writer;
    *call = "pipe";
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
        code = become(path, arguments, environment, output, errors, parent);
        ssize_t ignored = write(writer, &code, sizeof code);
        (void)ignored;
        _exit(127);
    }
    close(writer);
    *call = "execve";
    ssize_t count;
    do count = read(reader, &code, sizeof code);
    while (count < 0 && errno == EINTR);
    close(reader);
    if (count == sizeof code) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        return code;
    }
    *process = child;
    return 0;
}

// What a context begins with takes integers alone, so its work is here.
static struct {
    void (*body)(void *);
    void *argument;
} on_stack;

static void begin_on_stack(void) { on_stack.body(on_stack.argument); }

int dtrain_call_on_stack(void *stack, size_t size, void (*body)(void *), void *argument) {
    ucontext_t here, there;
    if (getcontext(&there) != 0) return errno;
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = size;
    there.uc_link = &here;
    on_stack.body = body;
    on_stack.argument = argument;
    makecontext(&there, begin_on_stack, 0);
    return swapcontext(&here, &there) == 0 ? 0 : errno;
}

int dtrain_read_process(pid_t process, uint64_t address, void *into, size_t size) {
    struct iovec here = {into, size}, there = {(void *)(uintptr_t)address, size};
    ssize_t count = process_vm_readv(process, &here, 1, &there, 1, 0);
    if (count < 0) return errno;
    return (size_t)count == size ? 0 : EFAULT;
}
