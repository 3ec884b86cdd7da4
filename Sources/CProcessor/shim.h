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

/// Asks for the cache line at `address`, which will be read soon. Never faults.
static inline void dtrain_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

/// Likewise into the second-level cache, where it doesn't crowd what is read right now.
static inline void dtrain_prefetch_behind(const void *address) { __builtin_prefetch(address, 0, 2); }

/// Waits until what was streamed (`dtrain_stream8`, `dtrain_stream16`) is visible to other cores before anything that is
/// written later.
static inline void dtrain_finish_streaming(void) {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#elif defined(__aarch64__)
    __asm__ volatile("dmb ishst" ::: "memory");
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

// Vectors, where Swift's own operation is written lane by lane and comes out as such.

typedef float dtrain_float8 __attribute__((ext_vector_type(8)));
typedef int dtrain_int8 __attribute__((ext_vector_type(8)));
typedef unsigned dtrain_uint8 __attribute__((ext_vector_type(8)));
typedef unsigned long dtrain_ulong4 __attribute__((ext_vector_type(4)));

#define DTRAIN_VECTOR static inline __attribute__((always_inline, unused))

/// The square roots, correctly rounded.
DTRAIN_VECTOR dtrain_float8 dtrain_square_root(dtrain_float8 vector) { return __builtin_elementwise_sqrt(vector); }

/// a + b·c, rounded once.
DTRAIN_VECTOR dtrain_float8 dtrain_adding_product(dtrain_float8 a, dtrain_float8 b, dtrain_float8 c) {
    return __builtin_elementwise_fma(b, c, a);
}

/// `chosen` in the lanes where `mask` is −1, `other` where it is 0: one blend.
DTRAIN_VECTOR dtrain_float8 dtrain_select(dtrain_int8 mask, dtrain_float8 chosen, dtrain_float8 other) {
    return (dtrain_float8)(((dtrain_int8)chosen & mask) | ((dtrain_int8)other & ~mask));
}

/// `chosen` in the lanes where a < b, `other` elsewhere, where one of the two is NaN too.
DTRAIN_VECTOR dtrain_float8 dtrain_where_below(dtrain_float8 a, dtrain_float8 b, dtrain_float8 chosen, dtrain_float8 other) {
    return a < b ? chosen : other;
}

/// The larger one in each lane, NaN where one of the two is.
DTRAIN_VECTOR dtrain_float8 dtrain_larger(dtrain_float8 a, dtrain_float8 b) {
    return dtrain_select((b > a) | (b != b), b, a);
}

/// The largest lane, NaN where one is.
DTRAIN_VECTOR float dtrain_largest_lane(dtrain_float8 vector) {
    vector = dtrain_larger(vector, __builtin_shufflevector(vector, vector, 4, 5, 6, 7, 0, 1, 2, 3));
    vector = dtrain_larger(vector, __builtin_shufflevector(vector, vector, 2, 3, 0, 1, 6, 7, 4, 5));
    vector = dtrain_larger(vector, __builtin_shufflevector(vector, vector, 1, 0, 3, 2, 5, 4, 7, 6));
    return vector[0];
}

/// −1 in the first `count` (0 … 8) lanes, 0 in the others.
DTRAIN_VECTOR dtrain_int8 dtrain_first_lanes(long count) {
    const dtrain_int8 numbers = {0, 1, 2, 3, 4, 5, 6, 7};
    return numbers < (dtrain_int8)(int)count;
}

/// The first `count` (0 … 8) elements from `source` on, zeros behind them. Nothing beyond is read.
DTRAIN_VECTOR dtrain_float8 dtrain_load_first(const float *source, long count) {
#if defined(__AVX__)
    return __builtin_ia32_maskloadps256((const void *)source, dtrain_first_lanes(count));
#else
    dtrain_float8 result = 0;
    __builtin_memcpy(&result, source, (unsigned long)count * sizeof(float));
    return result;
#endif
}

/// Writes the first `count` (0 … 8) lanes to `target` on, nothing beyond.
DTRAIN_VECTOR void dtrain_store_first(float *target, long count, dtrain_float8 vector) {
#if defined(__AVX__)
    __builtin_ia32_maskstoreps256((void *)target, dtrain_first_lanes(count), vector);
#else
    __builtin_memcpy(target, &vector, (unsigned long)count * sizeof(float));
#endif
}

/// Writes eight numbers past the caches to `target`, a multiple of 32 bytes.
DTRAIN_VECTOR void dtrain_stream8(float *target, dtrain_float8 vector) {
    __builtin_nontemporal_store(vector, (dtrain_float8 *)target);
}

#if defined(__AVX512F__)
typedef float dtrain_float16 __attribute__((ext_vector_type(16)));

/// a + b·c, rounded once.
DTRAIN_VECTOR dtrain_float16 dtrain_adding_product16(dtrain_float16 a, dtrain_float16 b, dtrain_float16 c) {
    return __builtin_elementwise_fma(b, c, a);
}

/// As `dtrain_where_below`.
DTRAIN_VECTOR dtrain_float16 dtrain_where_below16(
    dtrain_float16 a, dtrain_float16 b, dtrain_float16 chosen, dtrain_float16 other) {
    return a < b ? chosen : other;
}

/// Writes sixteen numbers past the caches to `target`, a multiple of 64 bytes.
DTRAIN_VECTOR void dtrain_stream16(float *target, dtrain_float16 vector) {
    __builtin_nontemporal_store(vector, (dtrain_float16 *)target);
}
#endif

/// The upper and the lower halves of the 64-bit products of all lanes with `factor`.
DTRAIN_VECTOR void dtrain_multiply_wide(dtrain_uint8 lanes, unsigned factor, dtrain_uint8 *upper, dtrain_uint8 *lower) {
    // The processor multiplies every other lane: first the even ones, then the odd ones.
    const dtrain_ulong4 low = 0xffffffffu;
    const dtrain_ulong4 even = ((dtrain_ulong4)lanes & low) * (dtrain_ulong4)(unsigned long)factor;
    const dtrain_ulong4 odd = ((dtrain_ulong4)lanes >> 32) * (dtrain_ulong4)(unsigned long)factor;
    *upper = (dtrain_uint8)((even >> 32) | (odd & ~low));
    *lower = (dtrain_uint8)((even & low) | (odd << 32));
}

/// The 64-bit products of the lanes 0, 2, 4 and 6: one instruction.
DTRAIN_VECTOR dtrain_ulong4 dtrain_even_products(dtrain_uint8 a, dtrain_uint8 b) {
    const dtrain_ulong4 low = 0xffffffffu;
    return ((dtrain_ulong4)a & low) * ((dtrain_ulong4)b & low);
}

/// The 64-bit products of the lanes 1, 3, 5 and 7.
DTRAIN_VECTOR dtrain_ulong4 dtrain_odd_products(dtrain_uint8 a, dtrain_uint8 b) {
    return ((dtrain_ulong4)a >> 32) * ((dtrain_ulong4)b >> 32);
}

/// Philox4x32-10 of eight counters (`index` + 0 … 7, ordinal, tag), one per lane; their 32 numbers one behind the
/// other.
DTRAIN_VECTOR void dtrain_philox(unsigned index, unsigned long ordinal, unsigned tag, unsigned key0, unsigned key1,
                                 unsigned *numbers) {
    const dtrain_uint8 steps = {0, 1, 2, 3, 4, 5, 6, 7};
    dtrain_uint8 c0 = steps + index, c1 = (unsigned)ordinal, c2 = (unsigned)(ordinal >> 32), c3 = tag;
#pragma clang loop unroll(full)
    for (int round = 0; round < 10; round++) {
        dtrain_uint8 upper0, lower0, upper2, lower2;
        dtrain_multiply_wide(c0, 0xD2511F53u, &upper0, &lower0);
        dtrain_multiply_wide(c2, 0xCD9E8D57u, &upper2, &lower2);
        c0 = upper2 ^ c1 ^ key0;
        c1 = lower2;
        c2 = upper0 ^ c3 ^ key1;
        c3 = lower0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    // Transposed: the four numbers of a counter next to each other, first within half registers.
    const dtrain_uint8 low01 = __builtin_shufflevector(c0, c1, 0, 8, 1, 9, 4, 12, 5, 13);
    const dtrain_uint8 low23 = __builtin_shufflevector(c2, c3, 0, 8, 1, 9, 4, 12, 5, 13);
    const dtrain_uint8 high01 = __builtin_shufflevector(c0, c1, 2, 10, 3, 11, 6, 14, 7, 15);
    const dtrain_uint8 high23 = __builtin_shufflevector(c2, c3, 2, 10, 3, 11, 6, 14, 7, 15);
    const dtrain_uint8 block04 = __builtin_shufflevector(low01, low23, 0, 1, 8, 9, 4, 5, 12, 13);
    const dtrain_uint8 block15 = __builtin_shufflevector(low01, low23, 2, 3, 10, 11, 6, 7, 14, 15);
    const dtrain_uint8 block26 = __builtin_shufflevector(high01, high23, 0, 1, 8, 9, 4, 5, 12, 13);
    const dtrain_uint8 block37 = __builtin_shufflevector(high01, high23, 2, 3, 10, 11, 6, 7, 14, 15);
    const dtrain_uint8 vector0 = __builtin_shufflevector(block04, block15, 0, 1, 2, 3, 8, 9, 10, 11);
    const dtrain_uint8 vector1 = __builtin_shufflevector(block26, block37, 0, 1, 2, 3, 8, 9, 10, 11);
    const dtrain_uint8 vector2 = __builtin_shufflevector(block04, block15, 4, 5, 6, 7, 12, 13, 14, 15);
    const dtrain_uint8 vector3 = __builtin_shufflevector(block26, block37, 4, 5, 6, 7, 12, 13, 14, 15);
    __builtin_memcpy(numbers + 0, &vector0, sizeof vector0);
    __builtin_memcpy(numbers + 8, &vector1, sizeof vector1);
    __builtin_memcpy(numbers + 16, &vector2, sizeof vector2);
    __builtin_memcpy(numbers + 24, &vector3, sizeof vector3);
}

/// Each lane, but not below that of `low` and not above that of `high`.
DTRAIN_VECTOR dtrain_float8 dtrain_kept_within(dtrain_float8 vector, dtrain_float8 low, dtrain_float8 high) {
    vector = dtrain_select(low >= vector, low, vector);
    return dtrain_select(high < vector, high, vector);
}

/// The lanes in reverse order.
DTRAIN_VECTOR dtrain_float8 dtrain_reversed(dtrain_float8 vector) {
    return __builtin_shufflevector(vector, vector, 7, 6, 5, 4, 3, 2, 1, 0);
}

/// Each lane rounded down to a whole number.
DTRAIN_VECTOR dtrain_float8 dtrain_rounded_down(dtrain_float8 vector) { return __builtin_elementwise_floor(vector); }

/// Whole numbers as integers.
DTRAIN_VECTOR dtrain_int8 dtrain_integers(dtrain_float8 vector) { return __builtin_convertvector(vector, dtrain_int8); }

/// All ones in the lanes above `low` and below `high`.
DTRAIN_VECTOR dtrain_int8 dtrain_is_between(dtrain_float8 vector, float low, float high) {
    return (vector > (dtrain_float8)low) & (vector < (dtrain_float8)high);
}

/// The numbers at four places, from lane `first` of `places` on, each with the one behind it.
DTRAIN_VECTOR dtrain_float8 dtrain_load_pairs(const float *source, dtrain_int8 places, int first) {
    dtrain_ulong4 pairs = 0;
#pragma clang loop unroll(full)
    for (int lane = 0; lane < 4; lane++) {
        unsigned long pair;
        __builtin_memcpy(&pair, source + places[first + lane], sizeof pair);
        pairs[lane] = pair;
    }
    return (dtrain_float8)pairs;
}

/// The first number of each of eight pairs, and the second.
DTRAIN_VECTOR dtrain_float8 dtrain_firsts(dtrain_float8 low, dtrain_float8 high) {
    return __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
}
DTRAIN_VECTOR dtrain_float8 dtrain_seconds(dtrain_float8 low, dtrain_float8 high) {
    return __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
}

/// All ones in the lanes whose number, of the eight from `numbers` on, is at least `threshold`.
DTRAIN_VECTOR dtrain_int8 dtrain_are_from(const unsigned *numbers, unsigned threshold) {
    dtrain_uint8 lanes;
    __builtin_memcpy(&lanes, numbers, sizeof lanes);
    return lanes >= (dtrain_uint8)threshold;
}

/// `value` in the lanes whose number, of the eight from `numbers` on, is at least `threshold`; 0 in the others.
DTRAIN_VECTOR dtrain_float8 dtrain_value_from(const unsigned *numbers, unsigned threshold, float value) {
    dtrain_uint8 lanes;
    __builtin_memcpy(&lanes, numbers, sizeof lanes);
    return (dtrain_float8)((dtrain_int8)(dtrain_float8)value & (lanes >= (dtrain_uint8)threshold));
}

#include "transposition.h"
#include "convolution.h"
#include "pooling.h"
#include "bfloat16.h"

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
