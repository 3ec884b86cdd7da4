#include "CImages.h"

#include <stdio.h>

// Before its list of messages, which depends on how it was built.
#include <jpeglib.h>

#include <jerror.h>
#include <setjmp.h>

// A progressive file may go over its image in as many scans as it likes; no encoder makes more than a few dozen.
enum { MOST_SCANS = 500 };

// What libjpeg's callbacks are handed; the first member is what they know.
struct state {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    char *message;
};

static void fail(j_common_ptr common) {
    struct state *state = (struct state *)common->err;
    char text[JMSG_LENGTH_MAX];
    common->err->format_message(common, text);
    snprintf(state->message, DTRAIN_MESSAGE_SIZE, "%.*s", DTRAIN_MESSAGE_SIZE - 1, text);
    longjmp(state->jump, 1);
}

// Warnings that mean lost pixels are errors; others, about bytes that nobody needs, are passed over.
static void judge(j_common_ptr common, int level) {
    if (level >= 0) return;
    switch (common->err->msg_code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_TOO_MUCH_DATA:
        fail(common);
    }
}

static void stop_endless(j_common_ptr common) {
    struct state *state = (struct state *)common->err;
    if (((j_decompress_ptr)common)->input_scan_number <= MOST_SCANS) return;
    snprintf(state->message, DTRAIN_MESSAGE_SIZE, "it has more than %d scans", MOST_SCANS);
    longjmp(state->jump, 1);
}

static void print_nothing(j_common_ptr common) { (void)common; }

// Returns whether there is a kind of pixel for it.
static int describe(j_decompress_ptr jpeg, dtrain_image *image) {
    image->width = jpeg->image_width;
    image->height = jpeg->image_height;
    image->is_arithmetic = jpeg->arith_code;
    switch (jpeg->num_components) {
    case 1:
        jpeg->out_color_space = JCS_GRAYSCALE;
        image->pixel = DTRAIN_GREY;
        break;
    case 3:
        jpeg->out_color_space = JCS_RGB;
        image->pixel = DTRAIN_RGB;
        break;
    case 4:
        jpeg->out_color_space = JCS_CMYK;
        image->pixel = DTRAIN_CMYK;
        break;
    default: return 0;
    }
    image->bytes_per_pixel = jpeg->num_components;
    return 1;
}

int dtrain_read_jpeg(const uint8_t *bytes, size_t count, dtrain_image *image, uint8_t *pixels, char *message) {
    struct jpeg_decompress_struct jpeg = {0};
    struct state state = {.message = message};
    jpeg.err = jpeg_std_error(&state.errors);
    state.errors.error_exit = fail;
    state.errors.emit_message = judge;
    state.errors.output_message = print_nothing;
    state.progress.progress_monitor = stop_endless;
    if (setjmp(state.jump)) {
        jpeg_destroy_decompress(&jpeg);
        return 1;
    }
    jpeg_create_decompress(&jpeg);
    jpeg.progress = &state.progress;
    jpeg_mem_src(&jpeg, bytes, count);
    jpeg_read_header(&jpeg, TRUE);
    dtrain_image found = {0};
    if (!describe(&jpeg, &found)) {
        snprintf(message, DTRAIN_MESSAGE_SIZE, "it has %d components; expected 1, 3 or 4", jpeg.num_components);
        longjmp(state.jump, 1);
    }
    if (pixels == NULL) {
        *image = found;
        jpeg_destroy_decompress(&jpeg);
        return 0;
    }
    if (found.width != image->width || found.height != image->height || found.pixel != image->pixel) {
        snprintf(message, DTRAIN_MESSAGE_SIZE, "it changed while it was read");
        longjmp(state.jump, 1);
    }
    jpeg.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&jpeg);
    size_t row = (size_t)found.width * found.bytes_per_pixel;
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW target = pixels + jpeg.output_scanline * row;
        jpeg_read_scanlines(&jpeg, &target, 1);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    return 0;
}
