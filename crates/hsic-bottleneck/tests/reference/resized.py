#!/usr/bin/env python3
"""resized.json: what Pillow makes of a picture at other sizes, by the triangle that it calls BILINEAR.

A picture of height x width has the value (37 x + 53 y + 11 x y) % 256 at (x, y). Values are row by row, hexadecimal. Pillow
rounds its weights, and the sums between its two passes, so that exact sums may differ by a level.

Run: python resized.py   (needs pillow; writes beside itself)
"""

import json
from pathlib import Path

import PIL
from PIL import Image

CASES = []
for height, width, rows, columns in [
    (5, 7, 3, 4),
    (5, 7, 5, 3),
    (40, 31, 8, 8),
    (100, 64, 7, 9),
    (200, 3, 16, 3),
    (4, 4, 9, 13),
    (3, 50, 6, 10),
    (28, 28, 1, 1),
]:
    data = bytes((37 * x + 53 * y + 11 * x * y) % 256 for y in range(height) for x in range(width))
    picture = Image.frombytes("L", (width, height), data).resize((columns, rows), Image.Resampling.BILINEAR)
    CASES.append({"from": [height, width], "to": [rows, columns], "values": picture.tobytes().hex()})

if __name__ == "__main__":
    text = json.dumps({"generator": f"resized.py, pillow {PIL.__version__}", "cases": CASES}, indent=0)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
