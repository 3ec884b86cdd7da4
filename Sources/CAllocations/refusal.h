// The end of a process that gets no memory: one message, made without any, and exit status 71 (EX_OSERR).
#ifndef DTRAIN_REFUSAL_H
#define DTRAIN_REFUSAL_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

// A line of text that grows on the stack; what doesn't fit is left out.
typedef struct {
    char text[512];
    size_t length;
} message;

static void add(message *line, const char *text) {
    size_t room = sizeof line->text - line->length, length = strnlen(text, room);
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void add_number(message *line, uint64_t number) {
    char digits[32], *first = digits + sizeof digits - 1;
    *first = 0;
    for (int count = 0; !count || number; count++, number /= 10) {
        if (count && count % 3 == 0) *--first = ',';
        *--first = (char)('0' + number % 10);
    }
    add(line, first);
}

static void add_megabytes(message *line, uint64_t bytes) {
    add_number(line, (bytes + 999999) / 1000000);
    add(line, " MB");
}

// The memory that this process has mapped, bytes: the first number of proc(5)'s statm, in pages.
static uint64_t mapped_bytes(void) {
    char text[32] = "";
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
    close(file);
    return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

// The limit that this process has set, or was set, and the option of ulimit that names it; 0 where there is none.
static uint64_t memory_limit(const char **option) {
    struct rlimit space, data;
    getrlimit(RLIMIT_AS, &space);
    getrlimit(RLIMIT_DATA, &data);
    int is_data = data.rlim_cur < space.rlim_cur;
    *option = is_data ? "ulimit -d" : "ulimit -v";
    rlim_t limit = is_data ? data.rlim_cur : space.rlim_cur;
    return limit == RLIM_INFINITY ? 0 : limit;
}

static void add_situation(message *line) {
    const char *option;
    uint64_t limit = memory_limit(&option);
    if (limit) {
        add(line, "the process has ");
        add_megabytes(line, mapped_bytes());
        add(line, " of ");
        add_megabytes(line, limit);
        add(line, " that it may have (");
        add(line, option);
        add(line, "); raise the limit, or make the network, the batches or the data smaller");
        return;
    }
    struct sysinfo machine;
    sysinfo(&machine);
    add(line, "the machine has ");
    add_megabytes(line, ((uint64_t)machine.freeram + machine.bufferram + machine.freeswap) * machine.mem_unit);
    add(line, " free; make the network, the batches or the data smaller");
}

// Ends the process. Where several threads come here, the first one speaks.
static _Noreturn void refuse(size_t wanted) {
    static int is_taken;
    if (__atomic_exchange_n(&is_taken, 1, __ATOMIC_ACQ_REL))
        for (;;) pause();
    // A launcher ends the job when a rank has ended, mpirun after up to 2.4 s. Often all ranks come here at once, and one
    // message is enough. What interrupts the wait is the launcher, which soon does more.
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    const struct timespec patience = {.tv_sec = 3};
    if (rank && strcmp(rank, "0") && nanosleep(&patience, NULL)) nanosleep(&patience, NULL);
    message line = {.length = 0};
    // A progress line may stand there.
    if (isatty(STDERR_FILENO)) add(&line, "\n");
    add(&line, "dtrain: error: ");
    if (rank) {
        add(&line, "rank ");
        add(&line, rank);
        add(&line, ": ");
    }
    add(&line, "out of memory: ");
    add_number(&line, wanted);
    add(&line, " bytes were asked for, and ");
    add_situation(&line);
    if (line.length == sizeof line.text) line.length--;
    line.text[line.length++] = '\n';
    // Nothing more can be done where this fails.
    ssize_t written = write(STDERR_FILENO, line.text, line.length);
    (void)written;
    _exit(71);
}

#endif
