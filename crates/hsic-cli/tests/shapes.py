"""Draws a folder of three shapes to try `hsic train` on: circles, squares and triangles of any place, size and color.

    python3 shapes.py FOLDER [COUNT]

makes FOLDER/{circle,square,triangle} with COUNT (100) images each. Sides are 32 to 128 pixels, a shape takes 30 to 80 %
of the side, color and background are drawn at random (a quarter of the scale apart in brightness at least), every value
carries noise of up to 10 % of the scale, and each class has gray, colored, transparent, palette and 16-bit images in
turn. It needs nothing besides Python 3, and the same call draws the same images.
"""

import pathlib
import random
import struct
import sys
import zlib

SHAPES = ("circle", "square", "triangle")
KINDS = ("RGB", "L", "RGBA", "P", "I;16")


def chunk(kind, data):
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(side, color_type, depth, lines, before=b""):
    """A square PNG image of lines of bytes, `before` the chunks that stand before its pixels."""
    header = struct.pack(">IIBBBBB", side, side, depth, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + line for line in lines))
    parts = chunk(b"IHDR", header) + before + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def inside(shape, x, y, size):
    """Whether a point, from the middle of the shape, lies in it."""
    if shape == "circle":
        return x * x + y * y <= size * size / 4
    if shape == "square":
        return max(abs(x), abs(y)) <= size / 2
    # Tip above, a base as wide as it is high.
    return -size / 2 <= y <= size / 2 and abs(x) <= (y + size / 2) / 2


def brightness(color):
    return (299 * color[0] + 587 * color[1] + 114 * color[2]) / 1000


def colors(chance, gray):
    """Color and background, parts of the scale."""
    while True:
        pair = [[chance.random()] * 3 if gray else [chance.random() for _ in range(3)] for _ in range(2)]
        if abs(brightness(pair[0]) - brightness(pair[1])) >= 0.25:
            return pair


def noisy(chance, value):
    """A value with noise, in the scale."""
    return min(max(value + chance.uniform(-0.1, 0.1), 0.0), 1.0)


def drawn(shape, kind, chance):
    """The file of an image."""
    side = chance.randint(32, 128)
    size = chance.uniform(0.3, 0.8) * side
    x, y = (chance.uniform(size / 2, side - size / 2) for _ in range(2))
    pair = colors(chance, gray=kind in ("L", "I;16"))
    of = [[pair[not inside(shape, i + 0.5 - x, j + 0.5 - y, size)] for i in range(side)] for j in range(side)]
    if kind == "P":
        # Sixteen noisy shades of both colors.
        shades = [[noisy(chance, value) for value in color] for color in pair for _ in range(16)]
        palette = bytes(round(255 * value) for shade in shades for value in shade)
        lines = [bytes(16 * (color is pair[1]) + chance.randrange(16) for color in row) for row in of]
        return png(side, 3, 8, lines, chunk(b"PLTE", palette))
    if kind == "I;16":
        lines = [b"".join(struct.pack(">H", round(65535 * noisy(chance, color[0]))) for color in row) for row in of]
        return png(side, 0, 16, lines)
    channels = 1 if kind == "L" else 3
    opaque = [1.0] if kind == "RGBA" else []
    lines = [
        bytes(round(255 * value) for color in row for value in [noisy(chance, v) for v in color[:channels]] + opaque)
        for row in of
    ]
    return png(side, {"L": 0, "RGB": 2, "RGBA": 6}[kind], 8, lines)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    count = int(sys.argv[2]) if len(sys.argv) == 3 else 100
    chance = random.Random(1)
    for shape in SHAPES:
        folder = pathlib.Path(sys.argv[1], shape)
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            kind = KINDS[index % len(KINDS)]
            (folder / f"{index:03}.png").write_bytes(drawn(shape, kind, chance))


if __name__ == "__main__":
    main()
