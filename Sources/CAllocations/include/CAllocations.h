// How often a thread has asked for memory. Linking this also makes an allocation that fails end the process with a message
// and status 71, except under sanitizers and with C libraries other than glibc.
#ifndef DTRAIN_CALLOCATIONS_H
#define DTRAIN_CALLOCATIONS_H

/// How many blocks the calling thread has asked the C library for since it began: malloc, calloc, realloc,
/// aligned_alloc, memalign and posix_memalign, by whomever called, Swift's runtime and MPI's library included. 0 always
/// where the count isn't kept (sanitizers, C libraries other than glibc).
unsigned long dtrain_allocation_count(void);

/// Whether the count is kept.
int dtrain_allocations_are_counted(void);

#endif
