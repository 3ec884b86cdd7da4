// Reading PNG and JPEG from memory, and writing PNG to memory, with errors as return codes: libpng and libjpeg jump out of
// their functions (longjmp), which must never cross a frame of Swift.
#ifndef DTRAIN_CIMAGES_H
#define DTRAIN_CIMAGES_H

#include <stddef.h>
#include <stdint.h>

/// What a pixel is, as it is decoded.
enum dtrain_pixel {
    DTRAIN_GREY,         // one byte
    DTRAIN_GREY_ALPHA,   // two bytes
    DTRAIN_RGB,          // three bytes
    DTRAIN_RGBA,         // four bytes
    DTRAIN_PALETTE,      // one byte, a place in the palette
    DTRAIN_GREY16,       // two bytes, the higher one first
    DTRAIN_CMYK,         // four bytes, inverted, as Adobe writes them
};

/// An image as its header describes it.
typedef struct {
    uint32_t width, height;
    int pixel;             // of enum dtrain_pixel
    int bytes_per_pixel;   // when it is decoded
    int bits_per_pixel;    // in a PNG before it is packed; 0 for JPEG
    int is_arithmetic;     // JPEG in arithmetic coding, whose size says little about what it holds
    int palette_count;     // entries of the palette that the file has
    uint8_t palette[768];  // red, green and blue of each
} dtrain_image;

enum { DTRAIN_MESSAGE_SIZE = 200 };

/// Reads the header into `image` where `pixels` is NULL, and else all of the image, whose header `image` is, into `pixels`:
/// height × width × bytes_per_pixel bytes. Returns 0, or 1 with the reason in `message` (DTRAIN_MESSAGE_SIZE bytes).
int dtrain_read_png(const uint8_t *bytes, size_t count, dtrain_image *image, uint8_t *pixels, char *message);
int dtrain_read_jpeg(const uint8_t *bytes, size_t count, dtrain_image *image, uint8_t *pixels, char *message);

/// Writes `height` rows of `width` pixels of 1 (grey) or 3 (RGB) channels of a byte as PNG. `write` takes the bytes as they
/// come and returns 0, or another number to stop. Returns 0, or 1 with the reason in `message`.
int dtrain_write_png(const uint8_t *pixels, uint32_t width, uint32_t height, int channels,
                     int (*write)(void *context, const uint8_t *bytes, size_t count), void *context, char *message);

#endif
