#!/usr/bin/env python3
"""images.json: small image files of every format that is read, and the values that they should give.

Encoders: Pillow (libjpeg-turbo, libtiff, libwebp inside it), tifffile for 16-bit colors, tiles and planes; what neither
writes (16-bit color PNG, BMP of 16 bits and of runs, GIF whose picture leaves parts of the screen free) is put together
here. Values are those that Pillow reads, turned by its ImageOps.exif_transpose, in its modes L and RGB, so that
transparency is dropped; files of 16 bits a sample, which Pillow cuts to their higher byte, have (v + 128) // 257 of what
was written. `tolerance` says by how many levels a decoder may differ: 0 for lossless files.

Run: python images.py   (needs pillow, numpy, tifffile, imagecodecs; writes beside itself; seconds)
"""

import io
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
import tifffile
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 7, 5
FILES = {}


def store(name, data, mode, tolerance=0, values=None):
    """Keeps a file and what it should give: Pillow's values, or those given (height x width x channels)."""
    assert len(data) < 1000 and name not in FILES, (name, len(data))
    if values is None:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        values = np.asarray(image.convert("RGB" if image.mode == "P" else image.mode).convert(mode))
    values = np.asarray(values, dtype=np.uint8)
    if values.ndim == 2:
        values = values[:, :, None]
    height, width, channels = values.shape
    assert channels == {"L": 1, "RGB": 3}[mode], (name, channels)
    planar = values.transpose(2, 0, 1)
    FILES[name] = {
        "bytes": data.hex(),
        "shape": [channels, height, width],
        "tolerance": tolerance,
        "values": planar.tobytes().hex(),
    }


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(array, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, metadata=None, software=None, **options)
    return buffer.getvalue()


# Values that tell every place, channel and order of bytes apart.
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
GRAY = (37 * x + 53 * y + 5).astype(np.uint8)
COLORS = np.stack([GRAY, 255 - 29 * x - 3 * y, 60 * y + x], axis=2).astype(np.uint8)
ALPHA = np.concatenate([COLORS, ((90 * x + 11 * y) % 256)[:, :, None]], axis=2).astype(np.uint8)
DEEP = (GRAY.astype(np.uint16) * 256 + (131 * x + 17 * y) % 256).astype(np.uint16)
DEEP_COLORS = np.stack([DEEP, 65535 - DEEP, DEEP ^ 0x5A80], axis=2).astype(np.uint16)
DEEP_ALPHA = np.concatenate([DEEP_COLORS, DEEP[:, :, None]], axis=2)
# Slopes, as photographs have them: what a lossy format keeps.
SMOOTH_GRAY = Image.fromarray((40 + 9 * x + 14 * y).astype(np.uint8), "L")
SMOOTH = Image.fromarray(
    np.stack([40 + 20 * x + 3 * y, 200 - 9 * x - 12 * y, 90 + 5 * x + 8 * y], axis=2).astype(np.uint8), "RGB"
)
gray, colors, alpha = Image.fromarray(GRAY, "L"), Image.fromarray(COLORS, "RGB"), Image.fromarray(ALPHA, "RGBA")
gray_alpha = Image.merge("LA", [gray, alpha.getchannel("A")])
palette = colors.quantize(13, dither=Image.Dither.NONE)
bilevel = Image.fromarray((GRAY > 120), "1")


def rounded(values):
    return ((values.astype(np.uint32) + 128) // 257)[:, :, :3] if values.ndim == 3 else (values.astype(np.uint32) + 128) // 257


def exif(number):
    data = Image.Exif()
    data[274] = number
    return data


# --- PNG
def png16(array, color):
    """A PNG of 16 bits a sample; rows without a filter."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


store("gray.png", encoded(gray, "PNG"), "L")
store("colors.png", encoded(colors, "PNG"), "RGB")
store("alpha.png", encoded(alpha, "PNG"), "RGB", values=COLORS)
store("gray-alpha.png", encoded(gray_alpha, "PNG"), "L", values=GRAY)
store("palette.png", encoded(palette, "PNG"), "RGB")
store("palette-transparent.png", encoded(palette, "PNG", transparency=3), "RGB", values=np.asarray(palette.convert("RGB")))
store("bilevel.png", encoded(bilevel, "PNG"), "L")
store("deep-gray.png", encoded(Image.fromarray(DEEP), "PNG"), "L", values=rounded(DEEP))
store("deep-colors.png", png16(DEEP_COLORS, 2), "RGB", values=rounded(DEEP_COLORS))
store("deep-alpha.png", png16(DEEP_ALPHA, 6), "RGB", values=rounded(DEEP_ALPHA))
store("turned.png", encoded(colors, "PNG", exif=exif(6)), "RGB")

# --- JPEG: libjpeg and our decoder round the inverse transform and the conversion of colors at other places: a level of
# gray, two of colors (on photographs of any quality at most 4 of colors were seen).
store("gray.jpg", encoded(SMOOTH_GRAY, "JPEG", quality=90), "L", 1)
store("whole.jpg", encoded(SMOOTH, "JPEG", quality=92, subsampling=0), "RGB", 2)
store("halved.jpg", encoded(SMOOTH, "JPEG", quality=92, subsampling=2), "RGB", 2)
store("progressive.jpg", encoded(SMOOTH, "JPEG", quality=92, subsampling=0, progressive=True), "RGB", 2)
for number in range(1, 9):
    store(f"turned-{number}.jpg", encoded(SMOOTH_GRAY, "JPEG", quality=90, exif=exif(number)), "L", 1)

# --- BMP
def bmp(bits, compression, palette, pixels, size=(4, 3)):
    start = 54 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, *size, 1, bits, compression, len(pixels), 0, 0, len(palette) // 4, 0)
    return struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start) + info + palette + pixels


def core_bmp(array):
    """The oldest kind of header, 24 bits."""
    height, width = array.shape[:2]
    rows = b"".join((row[:, ::-1].tobytes() + b"\0\0\0")[: (3 * width + 3) // 4 * 4] for row in array[::-1])
    return struct.pack("<2sIHHI", b"BM", 26 + len(rows), 0, 0, 26) + struct.pack("<IHHHH", 12, width, height, 1, 24) + rows


store("colors.bmp", encoded(colors, "BMP"), "RGB")
store("alpha.bmp", encoded(alpha, "BMP"), "RGB", values=COLORS)
store("bilevel.bmp", encoded(bilevel, "BMP"), "L")
store("core.bmp", core_bmp(COLORS), "RGB")
four = b"".join(bytes([40 * i, 255 - 9 * i, 3 * i, 0]) for i in range(6))
store("palette.bmp", bmp(4, 0, four, bytes.fromhex("01230000 45010000 20130000")), "RGB")
store("runs.bmp", bmp(8, 1, four, bytes.fromhex("0402 0000 0003050401000101 0000 0405 0001")), "RGB")
shades = b"".join(bytes([i, i, i, 0]) for i in range(40))
store("gray.bmp", bmp(8, 0, shades, bytes(range(7, 19))), "L")
store("top-down.bmp", bmp(24, 0, b"", bytes(range(36)), (4, -3)), "RGB")

# --- GIF
store("gray.gif", encoded(gray, "GIF"), "RGB", values=np.stack([GRAY] * 3, axis=2))
store("palette.gif", encoded(palette, "GIF", interlace=0), "RGB")
store("interlaced.gif", encoded(palette, "GIF", interlace=1), "RGB")
second = colors.rotate(180).quantize(5, dither=Image.Dither.NONE)
store("moving.gif", encoded(palette, "GIF", save_all=True, append_images=[second], duration=40), "RGB")


def placed_gif(transparent):
    """A picture of 2 x 2 at (1, 1) of a screen of 4 x 3, of a palette of 4 colors."""
    colors = bytes([9, 8, 7, 200, 0, 0, 0, 190, 0, 0, 0, 180])
    control = b"\x21\xf9\x04" + bytes([int(transparent is not None), 0, 0, transparent or 0, 0])
    # Codes of 3 bits: clear (4), the four pixels, end (5); after three more codes the table asks for 4 bits.
    codes = [(4, 3), (1, 3), (2, 3), (3, 3), (1, 4), (5, 4)]
    number = sum(code << sum(bits for _, bits in codes[:i]) for i, (code, _) in enumerate(codes))
    data = number.to_bytes((sum(bits for _, bits in codes) + 7) // 8, "little")
    image = b"\x2c" + struct.pack("<HHHHB", 1, 1, 2, 2, 0) + b"\x02" + bytes([len(data)]) + data + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", 4, 3, 0x81, 0, 0) + colors + control + image + b";"


store("placed.gif", placed_gif(None), "RGB")
store("placed-transparent.gif", placed_gif(3), "RGB")

# --- TIFF
def four_bits(photometric, colors):
    """A TIFF of 4 bits a sample, of 3 x 2 pixels, with a palette of 16 colors or none."""
    entries = [(256, 3, 1, 3), (257, 3, 1, 2), (258, 3, 1, 4), (259, 3, 1, 1), (262, 3, 1, photometric)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 2), (279, 4, 1, 4)]
    if colors:
        entries.append((320, 3, 48, 12 + 2 + 12 * 10 + 4))
    head = b"II*\0" + struct.pack("<I", 12) + bytes.fromhex("1c30fa20")
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return head + body + struct.pack(f"<{len(colors)}H", *colors)


store("four-bits.tif", four_bits(1, []), "L")
store("palette.tif", four_bits(3, [257 * (13 * i) for i in range(16)] + [256 * (7 * i + 3) for i in range(16)] + [65535 - 3000 * i for i in range(16)]), "RGB")
store("gray.tif", encoded(gray, "TIFF"), "L")
store("lzw.tif", encoded(colors, "TIFF", compression="tiff_lzw"), "RGB")
store("deflate.tif", encoded(colors, "TIFF", compression="tiff_adobe_deflate"), "RGB")
store("packbits.tif", encoded(colors, "TIFF", compression="packbits"), "RGB")
store("predictor.tif", encoded(colors, "TIFF", compression="tiff_lzw", tiffinfo={317: 2}), "RGB")
store("alpha.tif", encoded(alpha, "TIFF"), "RGB", values=COLORS)
store("gray-alpha.tif", encoded(gray_alpha, "TIFF"), "L", values=GRAY)
store("bilevel.tif", encoded(bilevel, "TIFF"), "L")
store("white-is-zero.tif", encoded(bilevel, "TIFF", tiffinfo={262: 0}), "L")
store("turned.tif", encoded(colors, "TIFF", tiffinfo={274: 8}), "RGB")
store("deep-gray.tif", tiff(DEEP), "L", values=rounded(DEEP))
store("deep-big-endian.tif", tiff(DEEP, byteorder=">"), "L", values=rounded(DEEP))
store("deep-inverted.tif", tiff(DEEP, photometric="miniswhite"), "L", values=rounded(65535 - DEEP))
store("deep-colors.tif", tiff(DEEP_COLORS, photometric="rgb"), "RGB", values=rounded(DEEP_COLORS))
deep = {"photometric": "rgb", "compression": "lzw", "predictor": 2}
store("deep-predictor.tif", tiff(DEEP_COLORS, **deep), "RGB", values=rounded(DEEP_COLORS))
store("deep-predictor-big-endian.tif", tiff(DEEP_COLORS, byteorder=">", **deep), "RGB", values=rounded(DEEP_COLORS))
store("strips.tif", tiff(COLORS, photometric="rgb", rowsperstrip=2), "RGB", values=COLORS)
store("planes.tif", tiff(COLORS.transpose(2, 0, 1), photometric="rgb", planarconfig="separate", rowsperstrip=2), "RGB", values=COLORS)
large = np.kron(GRAY, np.ones((4, 4), np.uint8))
store("tiles.tif", tiff(large, tile=(16, 16), compression="zlib"), "L", values=large)

# --- WebP: the format says how a lossy file is rounded.
store("lossless.webp", encoded(colors, "WEBP", lossless=True), "RGB")
store("lossless-alpha.webp", encoded(alpha, "WEBP", lossless=True, exact=True), "RGB", values=COLORS)
store("lossy.webp", encoded(SMOOTH, "WEBP", quality=90), "RGB")
store("turned.webp", encoded(colors, "WEBP", lossless=True, exif=exif(3)), "RGB")
moving = encoded(colors, "WEBP", lossless=True, save_all=True, append_images=[second.convert("RGB")], duration=40)
store("moving.webp", moving, "RGB")

made_with = f"Python {sys.version.split()[0]}, Pillow {PIL.__version__}, tifffile {tifffile.__version__}"
whole = {"made_with": made_with, "files": FILES}
(HERE / "images.json").write_text(json.dumps(whole, indent=1) + "\n")
