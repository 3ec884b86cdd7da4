// Windows of eight neighbouring outputs of max-pooling in one vector, with shuffles that Swift can't say.
#ifndef DTRAIN_POOLING_H
#define DTRAIN_POOLING_H

/// The first `count` (0 … 16) elements from `source` on in two vectors, zeros behind them. Nothing beyond is read.
DTRAIN_VECTOR void dtrain_load_pair(const float *source, long count, dtrain_float8 *first, dtrain_float8 *second) {
    *first = dtrain_load_first(source, count < 8 ? count : 8);
    *second = count > 8 ? dtrain_load_first(source + 8, count - 8) : (dtrain_float8)0;
}

/// The largest numbers of `count` (1 … 8) windows of two by two, NaN where one is; zeros behind them.
DTRAIN_VECTOR dtrain_float8 dtrain_pool_two8(const float *upper, const float *lower, long count) {
    dtrain_float8 u0, u1, l0, l1;
    dtrain_load_pair(upper, 2 * count, &u0, &u1);
    dtrain_load_pair(lower, 2 * count, &l0, &l1);
    const dtrain_float8 first = dtrain_larger(u0, l0), second = dtrain_larger(u1, l1);
    return dtrain_larger(dtrain_even8(first, second), dtrain_odd8(first, second));
}

/// Writes the first `count` (1 … 16) lanes of two vectors of which one holds the even and one the odd ones.
DTRAIN_VECTOR void dtrain_store_woven(float *target, long count, dtrain_float8 even, dtrain_float8 odd) {
    const dtrain_float8 first = __builtin_shufflevector(even, odd, 0, 8, 1, 9, 2, 10, 3, 11);
    const dtrain_float8 second = __builtin_shufflevector(even, odd, 4, 12, 5, 13, 6, 14, 7, 15);
    dtrain_store_first(target, count < 8 ? count : 8, first);
    if (count > 8) dtrain_store_first(target + 8, count - 8, second);
}

/// The gradient of `count` (1 … 8) windows of two by two: the first number of a window that is its `largest`, or NaN, gets the
/// gradient, the others 0.
DTRAIN_VECTOR void dtrain_pool_two_gradient8(const float *upper, const float *lower, long count, dtrain_float8 largest,
                                             dtrain_float8 gradient, float *upper_target, float *lower_target) {
    dtrain_float8 u0, u1, l0, l1;
    dtrain_load_pair(upper, 2 * count, &u0, &u1);
    dtrain_load_pair(lower, 2 * count, &l0, &l1);
    const dtrain_float8 a = dtrain_even8(u0, u1), b = dtrain_odd8(u0, u1);
    const dtrain_float8 c = dtrain_even8(l0, l1), d = dtrain_odd8(l0, l1);
    const dtrain_int8 bits = (dtrain_int8)gradient;
    const dtrain_int8 ma = (a == largest) | (a != a);
    const dtrain_int8 mb = ((b == largest) | (b != b)) & ~ma, ab = ma | mb;
    const dtrain_int8 mc = ((c == largest) | (c != c)) & ~ab, abc = ab | mc;
    const dtrain_int8 md = ((d == largest) | (d != d)) & ~abc;
    dtrain_store_woven(upper_target, 2 * count, (dtrain_float8)(bits & ma), (dtrain_float8)(bits & mb));
    dtrain_store_woven(lower_target, 2 * count, (dtrain_float8)(bits & mc), (dtrain_float8)(bits & md));
}

/// The even ones of the first `count` (1 … 16) numbers from `source` on, zeros behind them. Nothing beyond is read.
DTRAIN_VECTOR dtrain_float8 dtrain_load_even8(const float *source, long count) {
    dtrain_float8 first, second;
    dtrain_load_pair(source, count, &first, &second);
    return dtrain_even8(first, second);
}

/// Likewise the odd ones.
DTRAIN_VECTOR dtrain_float8 dtrain_load_odd8(const float *source, long count) {
    dtrain_float8 first, second;
    dtrain_load_pair(source, count, &first, &second);
    return dtrain_odd8(first, second);
}

/// Number `tap` of `count` (1 … 8) windows that begin `step` (1 or 2) apart. Nothing beyond is read.
DTRAIN_VECTOR dtrain_float8 dtrain_window_tap8(const float *tap, long step, long count) {
    return step == 1 ? dtrain_load_first(tap, count) : dtrain_load_even8(tap, 2 * count - 1);
}

/// Which number of each of `count` (1 … 8) windows is the first that is its `largest`, or NaN, counted row by row.
DTRAIN_VECTOR dtrain_float8 dtrain_first_largest8(const float *windows, long width, long rows, long columns, long step,
                                                  long count, dtrain_float8 largest) {
    // Where no window has a NaN, there is none to look for.
    const int has_nan = __builtin_reduce_or((dtrain_int8)(largest != largest));
    dtrain_float8 found = 0, number = (float)(rows * columns);
    // Backwards, so that the first one stays.
    for (long row = rows - 1; row >= 0; row--)
        for (long column = columns - 1; column >= 0; column--) {
            const dtrain_float8 tap = dtrain_window_tap8(windows + row * width + column, step, count);
            dtrain_int8 is_found = tap == largest;
            if (has_nan) is_found |= tap != tap;
            number -= 1;
            found = dtrain_select(is_found, number, found);
        }
    return found;
}

/// `vector` where a lane of `found` is `number`, 0 elsewhere.
DTRAIN_VECTOR dtrain_float8 dtrain_where_equal8(dtrain_float8 found, float number, dtrain_float8 vector) {
    const dtrain_float8 wanted = number;
    return (dtrain_float8)((dtrain_int8)vector & (found == wanted));
}

#endif
