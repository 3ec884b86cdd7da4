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

#endif
