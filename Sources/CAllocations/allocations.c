// An executable's own malloc comes before the C library's for every shared library too (ld.so(8), symbol lookup). These
// count and hand on to the next definition: glibc's, or that of an allocator in LD_PRELOAD. `free` stays where it is,
// since whoever allocates is still the same. A call costs about a nanosecond more.
//
// Where there is no memory left they end the process with a message (refusal.h): neither Swift's runtime nor most
// libraries live through a null, and none says what was wanted.
//
// A hook that is switched on when needed would be nicer; glibc dropped its own in 2.34.
#define _GNU_SOURCE
#include "CAllocations.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define DTRAIN_SANITIZED 1
#endif
#endif

#if defined(__GLIBC__) && !defined(DTRAIN_SANITIZED)
#include <dlfcn.h>
#include <malloc.h>

#include "refusal.h"

static _Thread_local unsigned long count;

unsigned long dtrain_allocation_count(void) { return count; }
int dtrain_allocations_are_counted(void) { return 1; }

// Looked up at the first call, which comes before any constructor. dlsym asks for no memory unless it fails; two threads
// that look up at once find the same.
#define NEXT(name)                                                                                                     \
    static __typeof__(&name) known;                                                                                    \
    __typeof__(&name) next = __atomic_load_n(&known, __ATOMIC_RELAXED);                                                \
    if (__builtin_expect(!next, 0)) {                                                                                  \
        next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                                             \
        if (!next) abort();                                                                                            \
        __atomic_store_n(&known, next, __ATOMIC_RELAXED);                                                              \
    }                                                                                                                  \
    count++

// What a call came to. Only a lack of memory is fatal: a wrong alignment is the caller's to handle.
static inline void *granted(void *block, size_t size) {
    if (__builtin_expect(!block, 0) && size && errno == ENOMEM) refuse(size);
    return block;
}

void *malloc(size_t size) {
    NEXT(malloc);
    return granted(next(size), size);
}

void *calloc(size_t number, size_t size) {
    NEXT(calloc);
    size_t all;
    // More than can be counted is more than there is.
    if (__builtin_mul_overflow(number, size, &all)) all = SIZE_MAX;
    return granted(next(number, size), all);
}

void *realloc(void *block, size_t size) {
    NEXT(realloc);
    return granted(next(block, size), size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    NEXT(aligned_alloc);
    return granted(next(alignment, size), size);
}

void *memalign(size_t alignment, size_t size) {
    NEXT(memalign);
    return granted(next(alignment, size), size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    NEXT(posix_memalign);
    int code = next(block, alignment, size);
    if (__builtin_expect(code == ENOMEM, 0) && size) refuse(size);
    return code;
}

#else

unsigned long dtrain_allocation_count(void) { return 0; }
int dtrain_allocations_are_counted(void) { return 0; }

#endif
