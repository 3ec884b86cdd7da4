"""Writes images/: files of images, and in expected.npz what Pillow makes of them.

For each file the arrays NAME/L and NAME/RGB are convert("L") and convert("RGB"), and NAME/upright is the image behind
ImageOps.exif_transpose; resized/... are results of resize(BILINEAR). The files are a few hundred bytes each.

    python images.py        # needs pillow and numpy; the versions are printed
"""

import io
import os
import struct
import sys
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps, features

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
RNG = np.random.default_rng(11)
EXPECTED = {}


def smooth(height, width, channels, seed):
    """A picture that isn't noise: waves of different lengths, with a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        127 + 90 * np.sin(x / (2 + c) + c) * np.cos(y / (3 + c)) + rng.normal(0, 12, (height, width))
        for c in range(channels)
    ]
    return np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, depth, colour, rows, before=b"", interlace=0):
    """A PNG as written by hand; rows are bytes."""
    raw = b"".join(b"\0" + row for row in rows)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
        + before
        + chunk(b"IDAT", zlib.compress(raw, 9))
        + chunk(b"IEND", b"")
    )


def keep(name, content):
    """Writes a file and notes what Pillow makes of it."""
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(content)
    for mode in ("L", "RGB"):
        image = Image.open(io.BytesIO(content))
        EXPECTED[f"{name}/{mode}"] = np.array(image.convert(mode))
    EXPECTED[f"{name}/upright"] = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))


def saved(image, kind="PNG", **options):
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def pngs():
    grey = smooth(7, 9, 1, 1)[..., 0]
    colour = smooth(7, 9, 3, 2)
    alpha = smooth(7, 9, 4, 3)
    keep("grey8.png", saved(Image.fromarray(grey)))
    keep("rgb8.png", saved(Image.fromarray(colour)))
    keep("rgba8.png", saved(Image.fromarray(alpha)))
    keep("la8.png", saved(Image.fromarray(np.ascontiguousarray(alpha[..., [0, 3]]))))
    keep("bits1.png", saved(Image.fromarray(grey > 127)))
    keep("palette.png", saved(Image.fromarray(colour).quantize(20)))
    keep("palette4.png", saved(Image.fromarray(colour).quantize(7), bits=4))
    transparent = Image.fromarray(colour).quantize(16)
    keep("palette-alpha.png", saved(transparent, transparency=bytes(range(0, 256, 16))))
    for depth in (2, 4):
        per_byte = 8 // depth
        rows = [bytes(RNG.integers(0, 256, -(-9 // per_byte), dtype=np.uint8)) for _ in range(5)]
        keep(f"grey{depth}.png", png(9, 5, depth, 0, rows))
    words = RNG.integers(0, 65536, (5, 6), dtype=np.uint16)
    words[0] = [0, 1, 255, 256, 257, 65535]
    keep("grey16.png", png(6, 5, 16, 0, [row.astype(">u2").tobytes() for row in words]))
    for name, kind, channels in (("rgb16.png", 2, 3), ("la16.png", 4, 2), ("rgba16.png", 6, 4)):
        words = RNG.integers(0, 65536, (4, 5 * channels), dtype=np.uint16)
        keep(name, png(5, 4, 16, kind, [row.astype(">u2").tobytes() for row in words]))
    # Interlaced by Adam7: of an image of one pixel there is one pass.
    keep("interlaced.png", png(1, 1, 8, 2, [b"\x0a\x80\xf0"], interlace=1))
    keep("grey-transparency.png", saved(Image.fromarray(grey), transparency=int(grey[0, 0])))
    keep("one.png", saved(Image.fromarray(np.array([[200]], np.uint8))))


def jpegs():
    grey = smooth(19, 23, 1, 4)[..., 0]
    colour = smooth(19, 23, 3, 5)
    keep("grey.jpg", saved(Image.fromarray(grey), "JPEG", quality=80))
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        keep(f"rgb{name}.jpg", saved(Image.fromarray(colour), "JPEG", quality=80, subsampling=subsampling))
    keep("progressive.jpg", saved(Image.fromarray(colour), "JPEG", quality=70, progressive=True))
    keep("cmyk.jpg", saved(Image.fromarray(smooth(19, 23, 4, 6), "CMYK"), "JPEG", quality=80))
    exif = Image.Exif()
    small = Image.fromarray(smooth(6, 10, 3, 7))
    for code in range(1, 9):
        exif[0x0112] = code
        keep(f"turned{code}.jpg", saved(small, "JPEG", quality=60, exif=exif))
    exif[0x0112] = 6
    keep("turned6.png", saved(small, exif=exif))


def resizes():
    """Sizes that shrink, grow, do both, and keep a side."""
    for channels, mode in ((1, "L"), (3, "RGB")):
        array = smooth(21, 34, channels, 8)
        image = Image.fromarray(array[..., 0] if channels == 1 else array)
        with open(os.path.join(HERE, f"source{channels}.png"), "wb") as file:
            file.write(saved(image))
        for height, width in ((7, 9), (40, 50), (5, 80), (21, 11), (64, 34), (1, 1), (20, 33)):
            resized = image.resize((width, height), Image.Resampling.BILINEAR)
            EXPECTED[f"resized/{mode}/{height}x{width}"] = np.array(resized)
        for height, width in ((8, 8), (12, 5), (5, 12), (30, 30)):
            # torchvision's Resize (the shorter side, the longer one cut to a whole number) and CenterCrop.
            scale_width = image.width * height <= image.height * width
            new = (
                (width, max(image.height * width // image.width, height))
                if scale_width
                else (max(image.width * height // image.height, width), height)
            )
            resized = image.resize(new, Image.Resampling.BILINEAR)
            left, top = int(round((new[0] - width) / 2)), int(round((new[1] - height) / 2))
            EXPECTED[f"cropped/{mode}/{height}x{width}"] = np.array(resized.crop((left, top, left + width, top + height)))


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    print(f"Pillow {PIL.__version__}, numpy {np.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}")
    pngs()
    jpegs()
    resizes()
    np.savez_compressed(os.path.join(HERE, "expected.npz"), **EXPECTED)
    sys.exit(0)
