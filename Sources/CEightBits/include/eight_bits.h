// Products of whole numbers of 8 bits, summed in 32 bits: what Swift can't say to the processor. Sums of integers are exact, so that
// every build of the loops has the same bits.
#ifndef DTRAIN_EIGHT_BITS_H
#define DTRAIN_EIGHT_BITS_H

#include <stdint.h>

/// Rows and columns of a tile.
enum { DTRAIN_EIGHT_BITS_HEIGHT = 8, DTRAIN_EIGHT_BITS_WIDTH = 32 };

/// Which instructions are used.
typedef enum {
    /// Those of the build.
    dtrain_eight_bits_plain,
    /// AVX2's products of bytes.
    dtrain_eight_bits_avx2,
    /// AVX-512's sums of four products of bytes (VNNI).
    dtrain_eight_bits_vnni
} dtrain_eight_bits_loops;

/// The fastest that processor and operating system have; with `narrow` none of 512 bits.
dtrain_eight_bits_loops dtrain_eight_bits_best(int narrow);

/// How the numbers of a row become bytes: number ≈ scale · (byte − offset), where the offset is what `dtrain_eight_bits_zero` says.
typedef struct {
    /// NaN where a number isn't finite, 0 where all are next to nothing.
    float scale;
    float inverse;
} dtrain_eight_bits_range;

/// The byte that stands for 0.
uint8_t dtrain_eight_bits_zero(dtrain_eight_bits_loops loops);

/// The range of `count` numbers: from −127 to 127 of its scale.
dtrain_eight_bits_range dtrain_eight_bits_range_of(dtrain_eight_bits_loops loops, const float *numbers, long count);

/// Makes bytes of `count` numbers, rounded to nearest, ties to even; byte i goes to `target` + i · `step`.
void dtrain_eight_bits_round(
    dtrain_eight_bits_loops loops, const float *numbers, long count, float inverse, void *target, long step);

/// The right operand of a tile: `DTRAIN_EIGHT_BITS_WIDTH` columns.
typedef struct {
    /// For every four rows of the operand the four bytes of each column.
    const int8_t *weights;
    /// Of each column: the sum of its bytes, what a step is worth, and what is added at the end.
    const int32_t *sums;
    const float *scales;
    const float *bias;
} dtrain_eight_bits_panel;

/// Where the bytes of the left operand lie. Row p begins at `base` + (p / columns) · line + (p % columns) · step; its bytes are `segments`
/// pieces of 4 · `fours` bytes each, at `offsets` from there.
typedef struct {
    const void *base;
    long columns, line, step;
    const int64_t *offsets;
    long segments, fours;
} dtrain_eight_bits_rows;

/// tile[r][c] = bias + (scale of row first + r) · (scale of column c) · the sum of their products, for `count` (1 … 8) rows;
/// `row_scales` are those of these rows. With `rectifies` what isn't above 0 becomes 0.
void dtrain_eight_bits_tile(
    dtrain_eight_bits_loops loops, const dtrain_eight_bits_rows *rows, long first, long count, const float *row_scales,
    const dtrain_eight_bits_panel *panel, int rectifies, float *tile);

#endif
