// Numbers of 16 bits with the range of a float: conversions of 16 at a time, which Swift's vectors would make one by one.
#ifndef DTRAIN_BFLOAT16_H
#define DTRAIN_BFLOAT16_H

#include <stdint.h>
#include <string.h>

typedef uint32_t dtrain_bits16 __attribute__((ext_vector_type(16), aligned(4)));
typedef uint16_t dtrain_halves16 __attribute__((ext_vector_type(16), aligned(2)));
typedef float dtrain_floats16 __attribute__((ext_vector_type(16), aligned(4)));

#define DTRAIN_HALVES static inline __attribute__((always_inline, unused))

/// The 16 numbers at `source`, rounded to nearest, ties to even; NaN stays NaN. The fraction of a NaN could carry over into
/// its sign, so that it is cut off instead.
DTRAIN_HALVES dtrain_halves16 dtrain_bfloat16_round(dtrain_bits16 bits) {
    dtrain_bits16 nearest = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    dtrain_bits16 cut = (bits >> 16) | 0x40u;
    dtrain_bits16 is_nan = (dtrain_bits16)((bits & 0x7FFFFFFFu) > 0x7F800000u);
    return __builtin_convertvector((cut & is_nan) | (nearest & ~is_nan), dtrain_halves16);
}

/// Rounds 16 numbers. All are read before any is written.
DTRAIN_HALVES void dtrain_bfloat16_compress(const void *source, void *target) {
    *(dtrain_halves16 *)target = dtrain_bfloat16_round(*(const dtrain_bits16 *)source);
}

/// Makes 16 floats. All are read before any is written.
DTRAIN_HALVES void dtrain_bfloat16_expand(const void *source, void *target) {
    *(dtrain_bits16 *)target = __builtin_convertvector(*(const dtrain_halves16 *)source, dtrain_bits16) << 16;
}

/// weights = old + change, of 16 numbers.
DTRAIN_HALVES void dtrain_bfloat16_add(const void *change, const float *old, float *weights) {
    dtrain_bits16 bits = __builtin_convertvector(*(const dtrain_halves16 *)change, dtrain_bits16) << 16;
    *(dtrain_floats16 *)weights = *(const dtrain_floats16 *)old + (dtrain_floats16)bits;
}

/// change = weights − old, rounded; weights = old + change, of 16 numbers.
DTRAIN_HALVES void dtrain_bfloat16_round_change(const float *old, float *weights, void *change) {
    dtrain_floats16 before = *(const dtrain_floats16 *)old;
    *(dtrain_halves16 *)change = dtrain_bfloat16_round((dtrain_bits16)(*(const dtrain_floats16 *)weights - before));
    dtrain_bfloat16_add(change, old, weights);
}

#endif
