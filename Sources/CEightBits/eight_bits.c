#include "eight_bits.h"

#include <string.h>

enum { height = DTRAIN_EIGHT_BITS_HEIGHT, width = DTRAIN_EIGHT_BITS_WIDTH };

#define INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,fma")))
#define VNNI __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512vnni")))
#endif

dtrain_eight_bits_loops dtrain_eight_bits_best(int narrow) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!narrow && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
        return dtrain_eight_bits_vnni;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return dtrain_eight_bits_avx2;
#else
    (void)narrow;
#endif
    return dtrain_eight_bits_plain;
}

// VNNI multiplies bytes without a sign by bytes with one, so that numbers are moved by half the range there.
uint8_t dtrain_eight_bits_zero(dtrain_eight_bits_loops loops) { return loops == dtrain_eight_bits_vnni ? 128 : 0; }

// Every function below has one body, which is compiled for each kind of processor.

INLINE dtrain_eight_bits_range range_of(const float *numbers, long count) {
    // Without their sign, numbers are in the order of their bits, and what isn't finite stands above all others.
    uint32_t largest = 0;
    for (long index = 0; index < count; index++) {
        uint32_t bits;
        memcpy(&bits, numbers + index, sizeof bits);
        bits &= 0x7FFFFFFFu;
        largest = bits > largest ? bits : largest;
    }
    if (largest >= 0x7F800000u) return (dtrain_eight_bits_range){__builtin_nanf(""), 0};
    float number;
    memcpy(&number, &largest, sizeof number);
    // A 127th of less would be denormal.
    if (number < 127 * 0x1p-126f) return (dtrain_eight_bits_range){0, 0};
    return (dtrain_eight_bits_range){number / 127, 127 / number};
}

INLINE void round_numbers(const float *numbers, long count, float inverse, uint8_t zero, uint8_t *target, long step) {
    // Behind the addition the lowest bits are the nearest whole number's: numbers of this size are one apart.
    const float shift = 0x1.8p23f;
    for (long index = 0; index < count; index++) {
        float moved = __builtin_fmaf(numbers[index], inverse, shift);
        uint32_t bits;
        memcpy(&bits, &moved, sizeof bits);
        target[index * step] = (uint8_t)bits ^ zero;
    }
}

INLINE void finish(
    const int32_t sums[height][width], long count, const float *row_scales, const dtrain_eight_bits_panel *panel,
    uint8_t zero, int rectifies, float *tile) {
    for (long row = 0; row < count; row++) {
        const float row_scale = row_scales[row];
        for (int column = 0; column < width; column++) {
            // Exact whatever has wrapped around on the way, since the sum itself fits.
            const int32_t sum = (int32_t)((uint32_t)sums[row][column] - (uint32_t)zero * (uint32_t)panel->sums[column]);
            const float result = __builtin_fmaf((float)sum, row_scale * panel->scales[column], panel->bias[column]);
            tile[row * width + column] = !rectifies || result > 0 ? result : 0;
        }
    }
}

/// Rows beyond the last one are the last one again.
INLINE void places(const dtrain_eight_bits_rows *rows, long first, long count, const uint8_t *places[height]) {
    for (long row = 0; row < height; row++) {
        const long place = first + (row < count ? row : count - 1);
        places[row] = (const uint8_t *)rows->base + place / rows->columns * rows->line + place % rows->columns * rows->step;
    }
}

// MARK: - The build's own instructions

static void sum_plain(const dtrain_eight_bits_rows *rows, const uint8_t *const from[height], long count,
                      const int8_t *weights, int32_t sums[height][width]) {
    memset(sums, 0, sizeof(int32_t) * height * width);
    for (long segment = 0; segment < rows->segments; segment++) {
        for (long four = 0; four < rows->fours; four++, weights += 4 * width) {
            for (long row = 0; row < count; row++) {
                const int8_t *bytes = (const int8_t *)from[row] + rows->offsets[segment] + 4 * four;
                for (int column = 0; column < width; column++) {
                    int32_t sum = 0;
                    for (int index = 0; index < 4; index++) sum += bytes[index] * weights[4 * column + index];
                    sums[row][column] += sum;
                }
            }
        }
    }
}

static void tile_plain(const dtrain_eight_bits_rows *rows, long first, long count, const float *row_scales,
                       const dtrain_eight_bits_panel *panel, int rectifies, float *tile) {
    const uint8_t *from[height];
    int32_t sums[height][width];
    places(rows, first, count, from);
    sum_plain(rows, from, count, panel->weights, sums);
    finish(sums, count, row_scales, panel, 0, rectifies, tile);
}

#if defined(__x86_64__)

// MARK: - AVX2

/// Two rows: the sums of 8 columns are a vector. What `vpmaddubsw` adds of two products fits 16 bits, since neither factor goes beyond
/// 127; the sign of the weights moves over to the other factor, as one of the two must have none.
AVX2 static void sum_avx2(const dtrain_eight_bits_rows *rows, const uint8_t *const from[2], const int8_t *weights,
                          int32_t sums[2][width]) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i totals[2][4];
    for (int row = 0; row < 2; row++)
        for (int part = 0; part < 4; part++) totals[row][part] = _mm256_setzero_si256();
    for (long segment = 0; segment < rows->segments; segment++) {
        const uint8_t *left = from[0] + rows->offsets[segment], *right = from[1] + rows->offsets[segment];
        for (long four = 0; four < rows->fours; four++, weights += 4 * width) {
            int32_t bytes[2];
            memcpy(&bytes[0], left + 4 * four, sizeof bytes[0]);
            memcpy(&bytes[1], right + 4 * four, sizeof bytes[1]);
            const __m256i inputs[2] = {_mm256_set1_epi32(bytes[0]), _mm256_set1_epi32(bytes[1])};
#pragma clang loop unroll(full)
            for (int part = 0; part < 4; part++) {
                const __m256i weight = _mm256_loadu_si256((const __m256i *)(weights + 32 * part));
                const __m256i sizes = _mm256_abs_epi8(weight);
#pragma clang loop unroll(full)
                for (int row = 0; row < 2; row++) {
                    const __m256i pairs = _mm256_maddubs_epi16(sizes, _mm256_sign_epi8(inputs[row], weight));
                    totals[row][part] = _mm256_add_epi32(totals[row][part], _mm256_madd_epi16(pairs, ones));
                }
            }
        }
    }
    for (int row = 0; row < 2; row++)
        for (int part = 0; part < 4; part++) _mm256_storeu_si256((__m256i *)(sums[row] + 8 * part), totals[row][part]);
}

AVX2 static void tile_avx2(const dtrain_eight_bits_rows *rows, long first, long count, const float *row_scales,
                           const dtrain_eight_bits_panel *panel, int rectifies, float *tile) {
    const uint8_t *from[height];
    int32_t sums[height][width];
    places(rows, first, count, from);
    for (long row = 0; row < count; row += 2) sum_avx2(rows, from + row, panel->weights, sums + row);
    finish(sums, count, row_scales, panel, 0, rectifies, tile);
}

AVX2 static dtrain_eight_bits_range range_avx2(const float *numbers, long count) { return range_of(numbers, count); }

AVX2 static void round_avx2(const float *numbers, long count, float inverse, uint8_t *target, long step) {
    if (step == 1) return round_numbers(numbers, count, inverse, 0, target, 1);
    round_numbers(numbers, count, inverse, 0, target, step);
}

// MARK: - VNNI

/// Some rows: the sums of 16 columns are a vector.
#define SUM_VNNI(name, count)                                                                                              \
    VNNI static void name(const dtrain_eight_bits_rows *rows, const uint8_t *const from[count], const int8_t *weights,     \
                          int32_t sums[count][width]) {                                                                    \
        __m512i totals[count][2];                                                                                          \
        _Pragma("clang loop unroll(full)") for (int row = 0; row < count; row++)                                           \
            totals[row][0] = totals[row][1] = _mm512_setzero_si512();                                                      \
        for (long segment = 0; segment < rows->segments; segment++) {                                                      \
            const long offset = rows->offsets[segment];                                                                    \
            for (long four = 0; four < rows->fours; four++, weights += 4 * width) {                                        \
                const __m512i lower = _mm512_loadu_si512(weights), upper = _mm512_loadu_si512(weights + 64);               \
                _Pragma("clang loop unroll(full)") for (int row = 0; row < count; row++) {                                 \
                    int32_t bytes;                                                                                         \
                    memcpy(&bytes, from[row] + offset + 4 * four, sizeof bytes);                                           \
                    const __m512i input = _mm512_set1_epi32(bytes);                                                        \
                    totals[row][0] = _mm512_dpbusd_epi32(totals[row][0], input, lower);                                    \
                    totals[row][1] = _mm512_dpbusd_epi32(totals[row][1], input, upper);                                    \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
        _Pragma("clang loop unroll(full)") for (int row = 0; row < count; row++) {                                         \
            _mm512_storeu_si512(sums[row], totals[row][0]);                                                                \
            _mm512_storeu_si512(sums[row] + 16, totals[row][1]);                                                           \
        }                                                                                                                  \
    }

SUM_VNNI(sum_vnni, height)
SUM_VNNI(sum_vnni_row, 1)

VNNI static void tile_vnni(const dtrain_eight_bits_rows *rows, long first, long count, const float *row_scales,
                           const dtrain_eight_bits_panel *panel, int rectifies, float *tile) {
    const uint8_t *from[height];
    int32_t sums[height][width];
    places(rows, first, count, from);
    if (count > 2) {
        sum_vnni(rows, from, panel->weights, sums);
    } else {
        for (long row = 0; row < count; row++) sum_vnni_row(rows, from + row, panel->weights, sums + row);
    }
    finish(sums, count, row_scales, panel, 128, rectifies, tile);
}

VNNI static dtrain_eight_bits_range range_vnni(const float *numbers, long count) { return range_of(numbers, count); }

VNNI static void round_vnni(const float *numbers, long count, float inverse, uint8_t *target, long step) {
    if (step == 1) return round_numbers(numbers, count, inverse, 128, target, 1);
    round_numbers(numbers, count, inverse, 128, target, step);
}

#endif

// MARK: - Choice

dtrain_eight_bits_range dtrain_eight_bits_range_of(dtrain_eight_bits_loops loops, const float *numbers, long count) {
#if defined(__x86_64__)
    if (loops == dtrain_eight_bits_vnni) return range_vnni(numbers, count);
    if (loops == dtrain_eight_bits_avx2) return range_avx2(numbers, count);
#endif
    (void)loops;
    return range_of(numbers, count);
}

void dtrain_eight_bits_round(
    dtrain_eight_bits_loops loops, const float *numbers, long count, float inverse, void *target, long step) {
#if defined(__x86_64__)
    if (loops == dtrain_eight_bits_vnni) return round_vnni(numbers, count, inverse, target, step);
    if (loops == dtrain_eight_bits_avx2) return round_avx2(numbers, count, inverse, target, step);
#endif
    (void)loops;
    round_numbers(numbers, count, inverse, 0, target, step);
}

void dtrain_eight_bits_tile(
    dtrain_eight_bits_loops loops, const dtrain_eight_bits_rows *rows, long first, long count, const float *row_scales,
    const dtrain_eight_bits_panel *panel, int rectifies, float *tile) {
#if defined(__x86_64__)
    if (loops == dtrain_eight_bits_vnni) return tile_vnni(rows, first, count, row_scales, panel, rectifies, tile);
    if (loops == dtrain_eight_bits_avx2) return tile_avx2(rows, first, count, row_scales, panel, rectifies, tile);
#endif
    (void)loops;
    tile_plain(rows, first, count, row_scales, panel, rectifies, tile);
}
