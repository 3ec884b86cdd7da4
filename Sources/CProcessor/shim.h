// What only C can say to the processor.
#ifndef DTRAIN_CPROCESSOR_H
#define DTRAIN_CPROCESSOR_H

#include <stdint.h>

/// Denormal inputs and results count as zero on the calling thread: moments that decay towards zero would otherwise
/// slow the optimizer tenfold.
static inline void dtrain_flush_denormals(void) {
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040u);
#elif defined(__aarch64__)
    unsigned long control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" : : "r"(control | (1ul << 24)));
#endif
}

/// Writes a counter that other processes read in shared memory: what was written before it is visible to whoever sees
/// the new value.
static inline void dtrain_store_release(int64_t *counter, int64_t value) {
    __atomic_store_n(counter, value, __ATOMIC_RELEASE);
}

/// Reads a counter that another process writes: what was written before the value is visible after it.
static inline int64_t dtrain_load_acquire(const int64_t *counter) {
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/// Tells the processor that the caller spins.
static inline void dtrain_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
