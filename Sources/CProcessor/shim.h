// What only C can say to the processor.
#ifndef DTRAIN_CPROCESSOR_H
#define DTRAIN_CPROCESSOR_H

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

/// Tells the processor that the caller spins.
static inline void dtrain_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Asks for the cache line of `address`, soon to be read.
static inline void dtrain_prefetch(const void *address) { __builtin_prefetch(address, 0, 2); }

/// Whether processor and operating system have the AVX-512 that x86-64-v4 means.
static inline int dtrain_has_avx512(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
    return 0;
#endif
}

#endif
