"""Exports runs of every network as ONNX and holds them with `hsic predict`: `python graphs.py COMMAND`.

Needs onnx, onnxruntime and NumPy. Each graph passes `onnx.checker`, and on 1,000 samples its probabilities differ from those of
`hsic predict --json` by 1e-5 at the most (both round in single precision, in other orders); its class is the same wherever
the two best differ by more. Values are held to 1e-5 of their range.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

SAMPLES = 1000
LIMIT = 1e-5
# Forward-forward's activations are long before they are normalized, and round by as much more.
LIMITS = {"forward-forward": 5e-5}
DIGITS = "--dataset digits --train-size 400 --test-size 100 --batch-size 50 --epochs 1"
CASES = {
    "mlp": "--widths 16,16",
    "mlp, unformatted": "--widths 16,16 --format-epochs 0",
    "mlp, more outputs than classes": "--widths 16 --outputs 24 --format-epochs 0",
    "mlp, last block": "--widths 16 --format-input last",
    "mlp, rms": "--widths 16,16 --between rms --dropout 0.2 --activation gelu",
    "mlp, divisive": "--widths 16,16 --between divisive:4 --activation elu --norm batch-affine",
    "mlp, no norm": "--widths 16 --norm none --activation tanh --input-norm rms",
    "mlp, sigmoid": "--widths 16 --activation sigmoid --method backprop",
    "sigmas": "--widths 16 --sigma 1,5",
    "forward-forward": "--widths 24,24 --method forward-forward",
    "residual-mlp": "--model residual-mlp --widths 12x3",
    "needle": "--model needle --widths 12,6",
    "conv": "--model conv --widths 3x2",
    "vgg": "--model vgg --widths 4p,6p --norm batch-affine --activation leaky-relu",
    "vgg, fields that do not divide": "--model vgg --widths 4p,6p --feature pool:4",
    "vgg, channels": "--model vgg --widths 4p,6p --feature channels --method hsic-local",
    "vgg, pooled at the block after": "--model vgg --widths 4p,6p,8 --pool-at entrance",
    "vgg, divisive": "--model vgg --widths 8p,8p --between divisive:4",
    "vgg, backprop": "--model vgg --widths 4p,6p --method backprop",
    "resnet-conv": "--model resnet-conv --widths 3x2",
    "pyramid": "--model pyramid --widths 8,16",
    "silu, a shift alone": "--model vgg --widths 4p,6p --activation silu --norm batch-bias",
    "the recipe": "--recipe airbench --widths 8,12,12 --method backprop",
}


def run(command, *arguments, **options):
    done = subprocess.run([command, *arguments], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}: {done.stderr}")
    return done.stdout


def compared(command, place, name, samples, graph_input):
    """The largest difference of a run's graph from what the command predicts."""
    np.save(place / "samples.npy", samples)
    told = json.loads(run(command, "predict", "run", "samples.npy", "--json", cwd=place))
    run(command, "export", "run", "--format", "onnx", "--output", "run.onnx", "--force", cwd=place)
    onnx.checker.check_model(str(place / "run.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(str(place / "run.onnx"), providers=["CPUExecutionProvider"])
    rows = told["files"][0]["predictions"] if "files" in told else told["predictions"]
    [given] = [entry.name for entry in session.get_inputs()]
    assert given == "x", given
    found = dict(zip((entry.name for entry in session.get_outputs()), session.run(None, {"x": graph_input})))
    if "value" in found:
        values = np.array([row["value"] for row in rows])
        return float(np.abs(found["value"] - values).max() / np.ptp(values))
    expected = np.array([list(row["probabilities"].values()) if isinstance(row["probabilities"], dict) else row["probabilities"]
                         for row in rows])
    names = json.loads({entry.key: entry.value for entry in onnx.load(str(place / "run.onnx")).metadata_props}["classes"])
    difference = float(np.abs(found["probabilities"] - expected).max())
    two = np.sort(expected, axis=1)[:, -2:]
    apart = two[:, 1] - two[:, 0] > 1e-5
    classes = np.array([row["class"] for row in rows])
    assert (np.array(names)[found["class"]] == classes)[apart].all(), name
    # One sample by itself, as the number of samples is open.
    alone = session.run(["probabilities"], {"x": graph_input[:1]})[0]
    assert np.abs(alone - expected[:1]).max() < 1e-5, name
    return difference


def main():
    [command] = [str(Path(argument).resolve()) for argument in sys.argv[1:]]
    random = np.random.default_rng(1)
    # Smooth images, so that maps differ from place to place and are not all alike.
    coarse = random.random((SAMPLES, 7, 7))
    images = np.rint(255 * coarse.repeat(4, 1).repeat(4, 2)).astype(np.uint8)
    beyond = []

    def told(name, difference):
        beyond.extend([name] if difference > LIMITS.get(name, LIMIT) else [])
        print(f"{name:32} {difference:.1e}", flush=True)

    for name, options in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            run(command, "train", *DIGITS.split(), *options.split(), "--quiet", "--run", "run", cwd=folder)
            record = json.loads((Path(folder) / "run/data.json").read_text())
            flat = images.reshape(SAMPLES, -1)
            values = images[:, None].astype(np.float32) / (1 if record.get("pixels") else 255)
            samples = flat if record.get("pixels") else (flat / np.float32(255))
            told(name, compared(command, Path(folder), name, samples, np.ascontiguousarray(values, np.float32)))
    # Images with three channels, normalized by channel, from a folder.
    color = np.rint(255 * random.random((SAMPLES, 4, 4, 3))).astype(np.uint8).repeat(3, 1).repeat(3, 2)
    for name, options in {"colors, vgg": "--model vgg --widths 6p,8p", "colors, mlp": "--model mlp --widths 16"}.items():
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "data.npz", x=color, y=(color[:, :6].mean((1, 2, 3)) > 127).astype(np.int64))
            arguments = "--dataset data.npz --normalize channel --epochs 1 --batch-size 50 --quiet --run run"
            run(command, "train", *arguments.split(), *options.split(), cwd=folder)
            values = color.transpose(0, 3, 1, 2).astype(np.float32)
            told(name, compared(command, Path(folder), name, color, np.ascontiguousarray(values)))
    # Tables: classes, and values by a line and by the output.
    x = random.normal(size=(SAMPLES, 5)) * [1, 10, 0.1, 5, 1] + [0, 3, 1, -2, 0]
    tables = {
        "table": ("--widths 16", np.where(x[:, 0] > 0, "high", "low")),
        "values, a line": ("--widths 16", x[:, 0] * 40 + x[:, 1]),
        "values, the output": ("--widths 16 --method backprop", x[:, 0] * 40 + x[:, 1]),
    }
    for name, (options, y) in tables.items():
        with tempfile.TemporaryDirectory() as folder:
            lines = [",".join([*(f"{value:.5f}" for value in row), str(target)]) for row, target in zip(x, y)]
            (Path(folder) / "t.csv").write_text("a,b,c,d,e,y\n" + "\n".join(lines) + "\n")
            arguments = "--dataset t.csv --label-column y --epochs 1 --batch-size 50 --quiet --run run"
            run(command, "train", *arguments.split(), *options.split(), cwd=folder)
            rows = np.round(x, 5)
            told(name, compared(command, Path(folder), name, rows, rows.astype(np.float32)))
    with tempfile.TemporaryDirectory() as folder:
        capsules = f"{DIGITS} --model capsnet --widths 4,2 --method backprop --quiet --run run"
        run(command, "train", *capsules.split(), cwd=folder)
        refused = subprocess.run([command, "export", "run", "--format", "onnx", "--output", "run.onnx"], cwd=folder,
                                 capture_output=True, text=True)
        assert refused.returncode == 2 and "capsules" in refused.stderr, refused
        assert not (Path(folder) / "run.onnx").exists()
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
    if beyond:
        sys.exit(f"more than {LIMIT}: {', '.join(beyond)}")


main()
