"""First inputs for the targets, made small: python3 fuzz/seeds.py [HSIC] writes them to fuzz/work.

Images and arrays are those of the tests' references, which Pillow, tifffile and NumPy wrote; files of runs and records are those
of the command HSIC (target/release/hsic), which trains for some seconds. Standard library alone.
"""

import gzip
import io
import json
import lzma
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
WORK = HERE / "work"
LARGEST = 16384


def write(target, name, data):
    if isinstance(data, str):
        data = data.encode()
    if len(data) <= (65536 if target == "tar" else LARGEST):
        folder = WORK / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"seed-{name}".replace("/", "-").replace("<", "l").replace(">", "g").replace("|", "i")).write_bytes(data)


def png(width, height, shades):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(shades[row * width : (row + 1) * width]) for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def images():
    endings = {"jpg": "jpeg", "tif": "tiff"}
    files = json.loads((ROOT / "crates/hsic-bottleneck/tests/reference/images.json").read_text())["files"]
    for entry in files if isinstance(files, list) else [dict(value, name=name) for name, value in files.items()]:
        name = entry["name"]
        ending = name.rsplit(".", 1)[-1].lower()
        target = endings.get(ending, ending)
        data = entry.get("bytes") or entry.get("file") or entry.get("base64")
        write(target, name, bytes.fromhex(data))


def arrays():
    reference = json.loads((ROOT / "crates/hsic-data/tests/reference/arrays.json").read_text())
    for kind in ("arrays", "records", "refused"):
        for entry in reference[kind]:
            write("npy", f"{kind}-{entry['name']}", bytes.fromhex(entry["bytes"]))
    for entry in reference["archives"]:
        write("npz", entry["name"], bytes.fromhex(entry["bytes"]))


def idx():
    pixels = bytes(range(24))
    images = struct.pack(">IIII", 0x803, 6, 2, 2) + pixels
    write("idx", "images", images)
    write("idx", "images-gz", gzip.compress(images))
    write("idx", "colors", struct.pack(">IIIII", 0x804, 2, 2, 2, 3) + pixels)
    write("idx", "labels", struct.pack(">II", 0x801, 4) + bytes([0, 1, 2, 1]))
    write("idx", "labels-two", struct.pack(">IIhh", 0xB01, 2, -3, 4))
    write("idx", "labels-four", struct.pack(">IIii", 0xC01, 2, -3, 4))


TABLES = {
    "numbers": "1,2.5,0\n-3,4e2,1\n5,6,0\n7,8,1\n9,1,0\n2,3,1\n",
    "names": "a,b,kind\n1,x,red\n2,y,blue\n,x,red\n4,z,blue\n5,y,red\n6,x,blue\n",
    "comma": "a;b;c\n1,5;2;0\n2,5;3;1\n3,25;NA;0\n4;5;1\n",
    "quoted": '"a ""q"" b",c\n"1","two, too"\n3,four\n5,"two, too"\n6,four\n',
    "values": "x,y\n0.1,1.55\n0.2,2.75\n0.3,3.125\n0.4,4.5\n0.5,5.625\n0.6,6.25\n",
    "bars": "1|2\n3|4\n1|2\n3|4\n",
    "separator": "sep=;\na;b\n1;0\n2;1\n3;0\n4;1\n",
    "rows": "x y\n",
    "r": "a,b\nr1,1,0\nr2,2,1\nr3,3,0\nr4,4,1\n",
    "dates": "when,what\n2024-01-02,0\n2024-02-03,1\n2023-01-01,0\n2022-11-30,1\n",
    "flags": "a,b\ntrue,yes\nfalse,no\ntrue,yes\nfalse,no\n",
    "long": "".join(f"{row},{row * row % 7},{row % 3}\n" for row in range(60)),
}


def tables():
    for name, text in TABLES.items():
        write("csv", name, text)
        write("tsv", name, text.replace(",", "\t"))
    text = TABLES["names"]
    write("csv", "gz", gzip.compress(text.encode()))
    write("csv", "utf16le", b"\xff\xfe" + text.encode("utf-16le"))
    write("csv", "utf16be", b"\xfe\xff" + text.encode("utf-16be"))
    write("csv", "bom", b"\xef\xbb\xbf" + text.encode())


def archives():
    files = {}
    for part in ("train", "test"):
        for kind, shade in (("cat", 10), ("dog", 200)):
            for index in range(2):
                files[f"{part}/{kind}/{index}.png"] = png(3, 2, [shade + index + k for k in range(6)])
    flat = {name.removeprefix("train/"): data for name, data in files.items() if name.startswith("train/")}
    for name, content in (("parts", files), ("flat", {f"set/{key}": value for key, value in flat.items()})):
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT if name == "flat" else tarfile.PAX_FORMAT) as tar:
            for path, data in content.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            first = next(iter(content))
            for kind, target in ((tarfile.SYMTYPE, "0.png"), (tarfile.LNKTYPE, first)):
                info = tarfile.TarInfo(first.replace("0.png", f"link{ord(kind)}.png"))
                info.type, info.linkname = kind, target
                tar.addfile(info)
            long = tarfile.TarInfo(first.rsplit("/", 1)[0] + "/" + 12 * "long-name-" + ".png")
            long.size = len(content[first])
            tar.addfile(long, io.BytesIO(content[first]))
        write("tar", name, plain.getvalue())
        write("tar-gz", name, gzip.compress(plain.getvalue()))
        write("tar-xz", name, lzma.compress(plain.getvalue(), preset=0))
        write("tar-xz", f"{name}-none", lzma.compress(plain.getvalue(), preset=0, check=lzma.CHECK_NONE))
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", method) as archive:
                for path, data in content.items():
                    archive.writestr(path, data)
                link = zipfile.ZipInfo(first.replace("0.png", "link.png"))
                link.external_attr = 0o120777 << 16
                archive.writestr(link, "0.png")
                archive.writestr("notes/", b"")
            write("zip", f"{name}-{method}", packed.getvalue())


def cifar():
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        names = [f"data_batch_{index}.bin" for index in range(1, 6)] + ["test_batch.bin"]
        contents = {f"cifar-10-batches-bin/{name}": bytes([index]) + bytes(3072) for index, name in enumerate(names)}
        contents["cifar-10-batches-bin/batches.meta.txt"] = b"".join(b"class%d\n" % index for index in range(10))
        for path, data in contents.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    write("cifar", "all", gzip.compress(plain.getvalue()))


def runs(hsic):
    def call(*arguments):
        subprocess.run([hsic, *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    small = ["--epochs", "2", "--batch-size", "8", "--threads", "1", "--quiet", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        rows = "".join(f"{row % 5},{row * row % 7},{'red' if row % 2 else 'blue'}\n" for row in range(40))
        (folder / "t.csv").write_text("a,b,kind\n" + rows)
        values = "".join(f"{row / 7:.3f},{row * row / 9:.4f}\n" for row in range(40))
        (folder / "v.csv").write_text("x,y\n" + values)
        two = "".join(f"{row % 5},{row * row % 7},{row % 2}\n" for row in range(40))
        (folder / "two.csv").write_text("a,b,kind\n" + two)
        for name, more in {
            "classes": ["--dataset", "t.csv", "--widths", "4,3", "--format-epochs", "1"],
            "values": ["--dataset", "v.csv", "--widths", "4"],
            "two": ["--dataset", "two.csv", "--widths", "3", "--checkpoint-steps", "1"],
            "digits": ["--dataset", "digits", "--train-size", "40", "--test-size", "10", "--model", "conv", "--widths", "2"],
        }.items():
            run = folder / name
            try:
                call("train", *more, *small, "--run", name)
            except subprocess.CalledProcessError as error:
                print(f"{name}: {error}", file=sys.stderr)
            for file, target in {
                "config.toml": "config",
                "data.json": "data-json",
                "metrics.jsonl": "metrics",
                "weights.safetensors": "tensors",
                "line.safetensors": "tensors",
                "format.safetensors": "tensors",
                "samples.safetensors": "samples",
                "checkpoint/state.safetensors": "checkpoint",
                "digests.json": "run-json",
                "readout.json": "run-json",
                "summary.json": "run-json",
                "values.json": "run-json",
                "reconstructions.json": "run-json",
            }.items():
                if (run / file).exists():
                    write(target, name, (run / file).read_bytes())
        call("train", "--dataset", "two.csv", "--widths", "3", "--cache", "kept", *small, "--run", "cached")
        for index, file in enumerate((folder / "kept").glob("*.packed")):
            write("packed", str(index), file.read_bytes())
        of_two = ["--dataset", "two.csv", "--widths", "3", "--budget"]
        call("compare", "--methods", "hsic,backprop", *of_two, "1epochs", "--output", "compared")
        write("comparison", "two", json.dumps(json.loads((folder / "compared/comparison.json").read_text())))
        call("speedrun", "--goals", "60,99", "--lengths", "1,2", *of_two, "20s", "--output", "sped")
        write("speedrun", "two", json.dumps(json.loads((folder / "sped/speedrun.json").read_text())))
        for figure in ("parallel", "needle"):
            call("reproduce", figure, "--profile", "smoke", "--output", "drawn")
            write("figure", figure, json.dumps(json.loads((folder / f"drawn/figures/{figure}/figure.json").read_text())))
    write("run-json", "stages", '{"position":{"epoch":1,"step":2},"stages":[[0,1],[1,2]]}')
    write("run-json", "engines", '["cpu","cuda:0"]')
    write("elsewhere", "least", ELSEWHERE)


ELSEWHERE = json.dumps({
    "version": 1,
    "label": "theirs",
    "made_by": "python3 theirs.py",
    "dataset": "two.csv",
    "parameters": 12,
    "runs": [{"seed": 1, "test_accuracy": 0.5, "seconds": 2.5, "epochs": [{"seconds": 1.0, "test_accuracy": 0.25}]}],
})


if __name__ == "__main__":
    images()
    arrays()
    idx()
    tables()
    archives()
    cifar()
    if len(sys.argv) > 1:
        runs(str(pathlib.Path(sys.argv[1]).resolve()))
