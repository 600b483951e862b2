#!/usr/bin/env python3
"""arrays.json: small files of NumPy arrays of every type that is read, and what they hold.

Every file is written by NumPy itself (numpy.save, numpy.lib.format.write_array, numpy.savez, numpy.savez_compressed); what
it holds is listed from the same array by tolist().

arrays    `.npy` of one type: `shape`, and `numbers` or `texts` in row-major order
records   `.npy` of a structured type: a column for each entry of each field, by `name`
refused   `.npy` that are not read, with a part of the message
archives  `.npz` that are data sets: `shape` (channels, height, width) and `values` (channel by channel; pixels of 0 to 255
          if `pixels`, else numbers) of the training part and, if there is one, of the test part, with the classes by name

Run: python arrays.py   (needs numpy; writes beside itself; a second)
"""

import io
import json
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def saved(array, version=None):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Stored array in format 2.0", which is what is asked for
        np.lib.format.write_array(buffer, np.asanyarray(array), version=version)
    return buffer.getvalue()


def content(array):
    flat = array.ravel(order="C").tolist()
    if array.dtype.kind in "US":
        return {"texts": [text.decode() if isinstance(text, bytes) else text for text in flat]}
    return {"numbers": [float(number) for number in flat]}


def plain(name, array, version=None):
    array = np.asanyarray(array)
    return {"name": name, "bytes": saved(array, version).hex(), "shape": list(array.shape), **content(array)}


def arrays():
    found = []
    numbers = {
        "f2": [[0.333251953125, -2.0, 65504.0], [6e-08, -0.0, 1.5]],
        "f4": [[0.1, -2.0, 3.4e38], [1e-45, -0.0, 1.5]],
        "f8": [[0.1, -2.0, 1.7e308], [5e-324, -0.0, 1.5]],
        "i1": [[-128, -1, 0], [1, 2, 127]],
        "i2": [[-32768, -1, 0], [1, 256, 32767]],
        "i4": [[-(2**31), -1, 0], [1, 65536, 2**31 - 1]],
        "i8": [[-(2**53), -1, 0], [1, 2**40, 2**53]],
        "u1": [[0, 1, 2], [3, 128, 255]],
        "u2": [[0, 1, 2], [3, 256, 65535]],
        "u4": [[0, 1, 2], [3, 65536, 2**32 - 1]],
        "u8": [[0, 1, 2], [3, 2**40, 2**63]],
        "b1": [[True, False, True], [False, False, True]],
        "U5": [["a", "größe", ""], ["\U0001f600", "it's", "b c"]],
        "S6": [["a".encode(), "größ".encode(), b""], [b"x", b"it's", b"b c"]],
    }
    for kind, values in numbers.items():
        for order in "<" if kind in ("b1", "i1", "u1", "S6") else "<>":
            array = np.array(values, dtype=order + kind)
            found.append(plain(f"{order}{kind}", array))
            found.append(plain(f"{order}{kind} fortran", np.asfortranarray(array)))
    cube = np.arange(24, dtype="<i2").reshape(2, 3, 4)
    found.append(plain("three dimensions", cube))
    found.append(plain("three dimensions fortran", np.asfortranarray(cube)))
    found.append(plain("one dimension", cube.ravel()))
    for version in [(1, 0), (2, 0), (3, 0)]:
        found.append(plain(f"version {version[0]}", np.array([1.5, -2.0]), version))
    return found


def records():
    found = []

    def add(name, array, version=None):
        fields = []

        def columns(prefix, part):
            if part.dtype.names is not None:
                for inner in part.dtype.names:
                    columns(f"{prefix}{inner}." if prefix else f"{inner}.", part[inner])
                return
            name = prefix.rstrip(".")
            rows = part.reshape(len(part), -1)
            for index in range(rows.shape[1]):
                told = name if rows.shape[1] == 1 else f"{name}.{index}"
                fields.append({"name": told, **content(rows[:, index])})

        columns("", array.reshape(len(array)))
        found.append({"name": name, "bytes": saved(array, version).hex(), "fields": fields})

    packed = np.dtype([("w", "<f8"), ("kind", "<i2"), ("text", "<U3"), ("ok", "?")])
    rows = [(0.5, 3, "abc", True), (-1.25, -4, "d", False), (1e300, 5, "", True)]
    add("packed", np.array(rows, dtype=packed))
    add("aligned", np.array(rows, dtype=np.dtype(packed.descr, align=True)))
    add("big-endian", np.array(rows, dtype=packed.newbyteorder(">")))
    add("one column of records", np.array(rows, dtype=packed).reshape(3, 1))
    inner = np.dtype([("x", "<f4"), ("y", ">i4")])
    nested = np.dtype([("at", inner), ("spectrum", "<f2", (2, 2)), ("n", "u1")])
    add("nested", np.array([((0.5, 7), [[1, 2], [3, 4]], 9), ((1.5, 8), [[5, 6], [7, 8]], 10)], dtype=nested))
    add("latin-1 name", np.array([(1,), (2,)], dtype=[("größe", "<i4")]))
    add("utf-8 name", np.array([(1,), (2,)], dtype=[("大きさ", "<i4")]))
    add("a name of the header", np.array([(1, 2)], dtype=[("shape", "<i4"), ("it's", "<i4")]))
    add("a title", np.array([(1,), (2,)], dtype=[(("title", "name"), "<i4")]))
    return found


def refused():
    def one(name, array, message):
        return {"name": name, "bytes": saved(array).hex(), "message": message}

    return [
        one("objects", np.array([1, "a"], dtype=object), "entries of type |O (Python objects)"),
        one("complex", np.array([1 + 2j]), "entries of type <c16 (complex numbers)"),
        one("dates", np.array(["2020-02-08"], dtype="M8[D]"), "entries of type <M8[D] (dates or times)"),
        one("times", np.array([1], dtype="m8[s]"), "entries of type <m8[s] (dates or times)"),
        one("raw bytes", np.zeros(2, dtype="V3"), "entries of type |V3 (raw bytes)"),
        one("an object in a record", np.zeros(1, dtype=[("a", "<i4"), ("b", "O")]), "entries of type |O (Python objects)"),
        one("a table of records", np.zeros((2, 2), dtype=[("a", "<i4")]), "records in an array of 2 dimensions"),
        one("no dimension", np.float64(1.5), "expected at least one dimension"),
        one("no row", np.zeros((0, 3)), "no values, expected at least one row and one column"),
        one("long whole numbers", np.array([2**53 + 1]), "integer 9007199254740993 at index 0"),
    ]


def planar(x, channels_last):
    x = np.asarray(x)
    if x.ndim == 4 and channels_last:
        x = x.transpose(0, 3, 1, 2)
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim == 2:
        x = x[:, None, None]
    values = x.astype(np.float64) * (255 if x.dtype == bool else 1)
    return {"shape": list(x.shape[1:]), "values": values.ravel().tolist()}


def archives():
    random = np.random.default_rng(20200208)
    found = []

    def add(name, arrays, train, test, classes, channels_last=False, compressed=False, options=None):
        """train and test: samples and the class of each, by name."""
        buffer = io.BytesIO()
        (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
        parts = [None if part is None else {**planar(part[0], channels_last), "labels": part[1]} for part in (train, test)]
        pixels = train[0].dtype in (np.uint8, bool) and train[0].ndim in (3, 4)
        found.append({
            "name": name,
            "bytes": buffer.getvalue().hex(),
            "options": options or {},
            "pixels": bool(pixels),
            "train": parts[0],
            "test": parts[1],
            "classes": classes,
        })

    def images(*sizes, kind=np.uint8):
        return random.integers(0, 256, sizes).astype(kind)

    gray, more = images(4, 3, 5), images(2, 3, 5)
    two = np.array([3, 8, 3, 8], dtype=np.uint8)
    add("gray", {"x_train": gray, "y_train": two, "x_test": more, "y_test": two[:2]},
        (gray, ["3", "8", "3", "8"]), (more, ["3", "8"]), ["3", "8"])
    last, last_test = images(4, 5, 6, 3), images(2, 5, 6, 3)
    first = np.ascontiguousarray(last.transpose(0, 3, 1, 2))
    first_test = np.ascontiguousarray(last_test.transpose(0, 3, 1, 2))
    labels = [["5"], ["9"], ["5"], ["9"]]
    of = ["5", "9", "5", "9"]
    column = np.array(labels, dtype=np.int64)
    parts = {"train_labels": column, "test_labels": column[:2]}
    add("channels last", {"train_images": last, "test_images": last_test, **parts},
        (last, of), (last_test, of[:2]), ["5", "9"], channels_last=True, compressed=True)
    add("channels first", {"train_images": first, "test_images": first_test, **parts},
        (first, of), (first_test, of[:2]), ["5", "9"])
    add("channels last, fortran", {"Xtr": np.asfortranarray(last), "Xte": last_test, "Ytr": column, "Yte": column[:2]},
        (last, of), (last_test, of[:2]), ["5", "9"], channels_last=True)
    black = random.integers(0, 2, (4, 4, 4)).astype(bool)
    add("black and white", {"trainX": black, "trainY": two, "testX": black[:2], "testY": two[:2]},
        (black, ["3", "8", "3", "8"]), (black[:2], ["3", "8"]), ["3", "8"])
    floats = random.random((4, 5, 6, 3)).astype(np.float16)
    add("numbers that are images", {"X_train": floats, "y_train": two, "X_val": floats[:2], "y_val": two[:2]},
        (floats, ["3", "8", "3", "8"]), (floats[:2], ["3", "8"]), ["3", "8"], channels_last=True)
    table = random.random((4, 3)).astype(">f4")
    kinds = {
        "strings": (np.array(["rose", "aster ", "rose", "aster"]), ["rose", "aster", "rose", "aster"], ["aster", "rose"]),
        "byte strings": (np.array([b"rose", b"aster", b"rose", b"aster"]), ["rose", "aster", "rose", "aster"], ["aster", "rose"]),
        "strings of numbers": (np.array(["10", "9", "10", "9"]), ["10", "9", "10", "9"], ["9", "10"]),
        "whole floats": (np.array([-1.0, 7.0, -1.0, 7.0]), ["-1", "7", "-1", "7"], ["-1", "7"]),
        "booleans": (np.array([True, False, True, False]), ["1", "0", "1", "0"], ["0", "1"]),
        "one-hot": (np.eye(4)[[3, 1, 3, 1]], ["3", "1", "3", "1"], ["1", "3"]),
        "one-hot bytes": (np.eye(2, dtype=np.uint8)[[1, 0, 1, 0]], ["1", "0", "1", "0"], ["0", "1"]),
        "big-endian": (np.array([300, -5, 300, -5], dtype=">i2"), ["300", "-5", "300", "-5"], ["-5", "300"]),
    }
    for name, (y, of_rows, classes) in kinds.items():
        add(f"labels: {name}", {"x_train": table, "y_train": y, "x_test": table[:2], "y_test": y[:2]},
            (table, of_rows), (table[:2], of_rows[:2]), classes)
    add("names that are given", {"spectra": table, "kind": two, "later": table[2:], "later_kind": two[2:], "y": two[:1]},
        (table, ["3", "8", "3", "8"]), (table[2:], ["3", "8"]), ["3", "8"],
        options={"arrays": "x=spectra,y=kind,x_test=later,y_test=later_kind"})
    return found


def main():
    made = {"numpy": np.__version__, "arrays": arrays(), "records": records(), "refused": refused(), "archives": archives()}
    lines = [f'"numpy": {json.dumps(made.pop("numpy"))}']
    for key, entries in made.items():
        lines.append(f'"{key}": [\n' + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries) + "\n]")
    (HERE / "arrays.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
