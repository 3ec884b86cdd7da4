// Blocks of a matrix turned in registers. Here because Swift has no shuffles: written lane by lane, the compiler finds
// other, slower ones.
#ifndef DTRAIN_TRANSPOSITION_H
#define DTRAIN_TRANSPOSITION_H

// A block is as many rows as a vector has lanes.
#if defined(__AVX512F__)
#define DTRAIN_BLOCK 16
#define DTRAIN_EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#else
#define DTRAIN_BLOCK 8
#define DTRAIN_EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#endif
typedef float dtrain_block_row __attribute__((ext_vector_type(DTRAIN_BLOCK)));
typedef int dtrain_block_mask __attribute__((ext_vector_type(DTRAIN_BLOCK)));

// Within each group of four lanes: two rows interleaved, by numbers or by pairs, the lower or the upper halves.
#if defined(__AVX512F__)
#define DTRAIN_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define DTRAIN_HIGH(a, b) __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define DTRAIN_LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define DTRAIN_HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
// Groups of four lanes: the even or the odd ones of two rows.
#define DTRAIN_EVEN(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define DTRAIN_ODD(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#else
#define DTRAIN_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define DTRAIN_HIGH(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define DTRAIN_LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define DTRAIN_HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define DTRAIN_EVEN(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define DTRAIN_ODD(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#endif

/// Turns a block: rows `stride` apart from `source` on become columns, rows `target_stride` apart from `target` on.
///
/// With `addends` (one for each source row) they are added; with `rectifies` what is not above 0 becomes 0, but NaN
/// stays.
DTRAIN_VECTOR void dtrain_turn_block(const float *source, long stride, float *target, long target_stride,
                                     const float *addends, int rectifies) {
    typedef dtrain_block_row row;
    row r[DTRAIN_BLOCK], t[DTRAIN_BLOCK];
#define DTRAIN_LOAD(i) __builtin_memcpy(&r[i], source + i * stride, sizeof(row));
    DTRAIN_EACH_ROW(DTRAIN_LOAD)
#undef DTRAIN_LOAD
#pragma clang loop unroll(full)
    for (int i = 0; i < DTRAIN_BLOCK; i += 2) {
        t[i] = DTRAIN_LOW(r[i], r[i + 1]);
        t[i + 1] = DTRAIN_HIGH(r[i], r[i + 1]);
    }
    // r[i + j]: of rows i … i + 3 the columns j, j + 4, …
#pragma clang loop unroll(full)
    for (int i = 0; i < DTRAIN_BLOCK; i += 4) {
        r[i] = DTRAIN_LOW_PAIRS(t[i], t[i + 2]);
        r[i + 1] = DTRAIN_HIGH_PAIRS(t[i], t[i + 2]);
        r[i + 2] = DTRAIN_LOW_PAIRS(t[i + 1], t[i + 3]);
        r[i + 3] = DTRAIN_HIGH_PAIRS(t[i + 1], t[i + 3]);
    }
#pragma clang loop unroll(full)
    for (int j = 0; j < 4; j++) {
#if defined(__AVX512F__)
        const row a = DTRAIN_EVEN(r[j], r[j + 4]), b = DTRAIN_ODD(r[j], r[j + 4]);
        const row c = DTRAIN_EVEN(r[j + 8], r[j + 12]), d = DTRAIN_ODD(r[j + 8], r[j + 12]);
        t[j] = DTRAIN_EVEN(a, c);
        t[j + 4] = DTRAIN_EVEN(b, d);
        t[j + 8] = DTRAIN_ODD(a, c);
        t[j + 12] = DTRAIN_ODD(b, d);
#else
        t[j] = DTRAIN_EVEN(r[j], r[j + 4]);
        t[j + 4] = DTRAIN_ODD(r[j], r[j + 4]);
#endif
    }
    if (addends) {
        row sums;
        __builtin_memcpy(&sums, addends, sizeof(row));
#pragma clang loop unroll(full)
        for (int i = 0; i < DTRAIN_BLOCK; i++) t[i] += sums;
    }
    if (rectifies) {
#pragma clang loop unroll(full)
        for (int i = 0; i < DTRAIN_BLOCK; i++) t[i] = (row)((dtrain_block_mask)t[i] & ~(t[i] <= 0));
    }
#define DTRAIN_STORE(i) __builtin_memcpy(target + i * target_stride, &t[i], sizeof(row));
    DTRAIN_EACH_ROW(DTRAIN_STORE)
#undef DTRAIN_STORE
}

/// Likewise a block of fewer rows or columns; `lanes` numbers of each column are written, the ones behind its rows being
/// any.
static void dtrain_turn_part(const float *source, long stride, long rows, long columns, float *target,
                             long target_stride, long lanes, const float *addends, int rectifies)
    __attribute__((unused, noinline));
static void dtrain_turn_part(const float *source, long stride, long rows, long columns, float *target,
                             long target_stride, long lanes, const float *addends, int rectifies) {
    float block[DTRAIN_BLOCK * DTRAIN_BLOCK], turned[DTRAIN_BLOCK * DTRAIN_BLOCK], sums[DTRAIN_BLOCK];
    __builtin_memset(block, 0, sizeof block);
    for (long row = 0; row < rows; row++)
        __builtin_memcpy(block + row * DTRAIN_BLOCK, source + row * stride, (unsigned long)columns * sizeof(float));
    if (addends) {
        __builtin_memset(sums, 0, sizeof sums);
        __builtin_memcpy(sums, addends, (unsigned long)rows * sizeof(float));
    }
    dtrain_turn_block(block, DTRAIN_BLOCK, turned, DTRAIN_BLOCK, addends ? sums : 0, rectifies);
    for (long column = 0; column < columns; column++)
        __builtin_memcpy(target + column * target_stride, turned + column * DTRAIN_BLOCK,
                         (unsigned long)lanes * sizeof(float));
}

#undef DTRAIN_LOW
#undef DTRAIN_HIGH
#undef DTRAIN_LOW_PAIRS
#undef DTRAIN_HIGH_PAIRS
#undef DTRAIN_EVEN
#undef DTRAIN_ODD

#endif
