"""Draws a folder of small images to try `hsic train` on: one bright bar in noise, across or down.

    python3 bars.py FOLDER

makes FOLDER/train/{across,down} with 200 images each and FOLDER/test/{across,down} with 40 each. It needs nothing
besides Python 3, and the same call draws the same images.
"""

import pathlib
import random
import struct
import sys
import zlib

SIDE = 16


def chunk(kind, data):
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows):
    """A gray PNG image of 8 bits a pixel."""
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    lines = b"".join(b"\0" + bytes(row) for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def drawn(kind, noise):
    """An image of the class `kind`."""
    bar = noise.randrange(SIDE)
    return [
        [100 * ((y if kind == "across" else x) == bar) + noise.randrange(156) for x in range(SIDE)]
        for y in range(SIDE)
    ]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    noise = random.Random(1)
    for part, count in (("train", 200), ("test", 40)):
        for kind in ("across", "down"):
            folder = pathlib.Path(sys.argv[1], part, kind)
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                (folder / f"{index}.png").write_bytes(png(drawn(kind, noise)))


if __name__ == "__main__":
    main()
