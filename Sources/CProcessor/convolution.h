// What both builds of the loops and their caller say about a convolution, and moves of vectors that Swift can't say.
#ifndef DTRAIN_CONVOLUTION_H
#define DTRAIN_CONVOLUTION_H

/// A window that moves over images and makes images: a convolution, or one part of its input gradient. Numbers of
/// channels are those of one group; a sample's channels, groups in order, are planes one behind the other on both sides.
///
/// Output (r, q) reads, for tap (i, j), the image at row r·row_step + first_tap_row + i·tap_row_step − top, and likewise for
/// columns; what lies outside the image is 0.
typedef struct {
    long groups;
    /// The images that are read.
    long channels, height, width;
    /// Zeros before the image; where it is negative, so much of the image is passed over.
    long top, left;
    long row_step, column_step;
    /// How many taps there are, and where they are. None lies before 0.
    long tap_rows, tap_columns, first_tap_row, first_tap_column, tap_row_step, tap_column_step;
    /// The images that are made, and where in the target's planes their rows and columns go.
    long outputs, output_rows, output_columns;
    long target_height, target_width, target_row, target_column, target_row_step, target_column_step;
    /// Where weights are, from the first tap of the first channel and output on.
    long first_weight, weight_group_step, weight_output_step, weight_channel_step, weight_row_step, weight_column_step;
    /// Where columns go to every other place of a row, a second window makes those between: how many there are (0 without it), its
    /// taps in a row, and where the first of them and its weight are. In all else it is the first window.
    long between_columns, between_tap_columns, between_first_tap_column, between_first_weight;
} dtrain_convolution __attribute__((swift_name("ConvolutionPass")));

/// The even elements of two vectors one behind the other.
DTRAIN_VECTOR dtrain_float8 dtrain_even8(dtrain_float8 a, dtrain_float8 b) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}

/// The odd ones.
DTRAIN_VECTOR dtrain_float8 dtrain_odd8(dtrain_float8 a, dtrain_float8 b) {
    return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}

/// Two vectors' elements in turn: the first halves.
DTRAIN_VECTOR dtrain_float8 dtrain_first_pairs8(dtrain_float8 a, dtrain_float8 b) {
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

/// Likewise the second halves.
DTRAIN_VECTOR dtrain_float8 dtrain_second_pairs8(dtrain_float8 a, dtrain_float8 b) {
    return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/// 0 where a lane isn't above 0; NaN stays.
DTRAIN_VECTOR dtrain_float8 dtrain_rectify8(dtrain_float8 vector) {
    return (dtrain_float8)((dtrain_int8)vector & ~(vector <= 0));
}

#if defined(__AVX512F__)
typedef int dtrain_int16 __attribute__((ext_vector_type(16)));

/// 0 where a lane isn't above 0; NaN stays.
DTRAIN_VECTOR dtrain_float16 dtrain_rectify16(dtrain_float16 vector) {
    return (dtrain_float16)((dtrain_int16)vector & ~(vector <= 0));
}

/// Ones for the first `count` (0 … 16) lanes, zeros for the others.
DTRAIN_VECTOR unsigned short dtrain_first_lanes16(long count) { return (unsigned short)((1u << count) - 1); }

/// The first `count` (0 … 16) elements from `source` on, zeros behind them. Nothing beyond is read.
DTRAIN_VECTOR dtrain_float16 dtrain_load_first16(const float *source, long count) {
    const dtrain_float16 zeros = 0;
    return __builtin_ia32_loadups512_mask(source, zeros, dtrain_first_lanes16(count));
}

/// Writes the first `count` (0 … 16) lanes to `target` on, nothing beyond.
DTRAIN_VECTOR void dtrain_store_first16(float *target, long count, dtrain_float16 vector) {
    __builtin_ia32_storeups512_mask(target, vector, dtrain_first_lanes16(count));
}

/// The even elements of two vectors one behind the other.
DTRAIN_VECTOR dtrain_float16 dtrain_even16(dtrain_float16 a, dtrain_float16 b) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

/// The odd ones.
DTRAIN_VECTOR dtrain_float16 dtrain_odd16(dtrain_float16 a, dtrain_float16 b) {
    return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

/// Two vectors' elements in turn: the first halves.
DTRAIN_VECTOR dtrain_float16 dtrain_first_pairs16(dtrain_float16 a, dtrain_float16 b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/// Likewise the second halves.
DTRAIN_VECTOR dtrain_float16 dtrain_second_pairs16(dtrain_float16 a, dtrain_float16 b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#endif

#endif
