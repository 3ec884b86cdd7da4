#include "CImages.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

// What libpng's callbacks are handed.
struct state {
    jmp_buf jump;
    char *message;
    const uint8_t *bytes;
    size_t left;
    int (*write)(void *, const uint8_t *, size_t);
    void *context;
};

static void fail(png_structp png, png_const_charp text) {
    struct state *state = png_get_error_ptr(png);
    snprintf(state->message, DTRAIN_MESSAGE_SIZE, "%s", text);
    longjmp(state->jump, 1);
}

static void pass_over(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void take(png_structp png, png_bytep target, size_t count) {
    struct state *state = png_get_io_ptr(png);
    if (count > state->left) png_error(png, "it ends in the middle");
    memcpy(target, state->bytes, count);
    state->bytes += count;
    state->left -= count;
}

static void describe(png_structp png, png_infop info, dtrain_image *image) {
    image->width = png_get_image_width(png, info);
    image->height = png_get_image_height(png, info);
    image->bits_per_pixel = png_get_bit_depth(png, info) * png_get_channels(png, info);
    switch (png_get_color_type(png, info)) {
    case PNG_COLOR_TYPE_GRAY:
        image->pixel = png_get_bit_depth(png, info) == 16 ? DTRAIN_GREY16 : DTRAIN_GREY;
        image->bytes_per_pixel = image->pixel == DTRAIN_GREY16 ? 2 : 1;
        break;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        image->pixel = DTRAIN_GREY_ALPHA;
        image->bytes_per_pixel = 2;
        break;
    case PNG_COLOR_TYPE_RGB:
        image->pixel = DTRAIN_RGB;
        image->bytes_per_pixel = 3;
        break;
    case PNG_COLOR_TYPE_RGB_ALPHA:
        image->pixel = DTRAIN_RGBA;
        image->bytes_per_pixel = 4;
        break;
    default: {
        image->pixel = DTRAIN_PALETTE;
        image->bytes_per_pixel = 1;
        png_colorp entries = NULL;
        int count = 0;
        if (png_get_PLTE(png, info, &entries, &count) == 0 || count < 0 || count > 256) count = 0;
        image->palette_count = count;
        for (int i = 0; i < count; i++) {
            image->palette[3 * i] = entries[i].red;
            image->palette[3 * i + 1] = entries[i].green;
            image->palette[3 * i + 2] = entries[i].blue;
        }
    }
    }
}

int dtrain_read_png(const uint8_t *bytes, size_t count, dtrain_image *image, uint8_t *pixels, char *message) {
    struct state state = {.message = message, .bytes = bytes, .left = count};
    // What lives across the jump.
    png_structp volatile kept = NULL;
    png_infop volatile kept_info = NULL;
    if (setjmp(state.jump)) {
        png_structp png = kept;
        png_infop info = kept_info;
        png_destroy_read_struct(png ? &png : NULL, info ? &info : NULL, NULL);
        return 1;
    }
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, fail, pass_over);
    kept = png;
    png_infop info = png ? png_create_info_struct(png) : NULL;
    kept_info = info;
    if (!info) {
        snprintf(message, DTRAIN_MESSAGE_SIZE, "libpng can't be started");
        png_destroy_read_struct(png ? &png : NULL, NULL, NULL);
        return 1;
    }
    png_set_read_fn(png, &state, take);
    // Sizes are judged by the caller; chunks that don't make pixels are passed over.
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
    png_set_chunk_malloc_max(png, 8 << 20);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_benign_errors(png, 1);
    png_read_info(png, info);
    dtrain_image found = {0};
    describe(png, info, &found);
    if (pixels == NULL) {
        *image = found;
    } else {
        if (found.width != image->width || found.height != image->height || found.pixel != image->pixel)
            png_error(png, "it changed while it was read");
        int depth = png_get_bit_depth(png, info);
        if (found.pixel == DTRAIN_PALETTE) png_set_packing(png);
        if (found.pixel == DTRAIN_GREY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
        if (found.pixel != DTRAIN_GREY16 && depth == 16) png_set_strip_16(png);
        int passes = png_set_interlace_handling(png);
        png_read_update_info(png, info);
        size_t row = (size_t)found.width * found.bytes_per_pixel;
        if (png_get_rowbytes(png, info) != row) png_error(png, "its rows have another length than its header says");
        for (int pass = 0; pass < passes; pass++)
            for (uint32_t y = 0; y < found.height; y++) png_read_row(png, pixels + y * row, NULL);
        png_read_end(png, NULL);
    }
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
}

static void give(png_structp png, png_bytep bytes, size_t count) {
    struct state *state = png_get_io_ptr(png);
    if (state->write(state->context, bytes, count) != 0) png_error(png, "it can't be written");
}

static void give_nothing(png_structp png) { (void)png; }

int dtrain_write_png(const uint8_t *pixels, uint32_t width, uint32_t height, int channels,
                     int (*write)(void *, const uint8_t *, size_t), void *context, char *message) {
    struct state state = {.message = message, .write = write, .context = context};
    png_structp volatile kept = NULL;
    png_infop volatile kept_info = NULL;
    if (setjmp(state.jump)) {
        png_structp png = kept;
        png_infop info = kept_info;
        png_destroy_write_struct(png ? &png : NULL, info ? &info : NULL);
        return 1;
    }
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, fail, pass_over);
    kept = png;
    png_infop info = png ? png_create_info_struct(png) : NULL;
    kept_info = info;
    if (!info) {
        snprintf(message, DTRAIN_MESSAGE_SIZE, "libpng can't be started");
        png_destroy_write_struct(png ? &png : NULL, NULL);
        return 1;
    }
    png_set_write_fn(png, &state, give, give_nothing);
    png_set_IHDR(png, info, width, height, 8, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (uint32_t y = 0; y < height; y++) png_write_row(png, pixels + (size_t)y * width * channels);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return 0;
}
