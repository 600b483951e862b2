"""Loads a run of hsic into one flat torch.nn.Sequential and compares its predictions with those of `hsic predict`.

    python examples/load_in_pytorch.py runs/digits-mlp-hsic-1 rows.npy

Needs torch, numpy and safetensors, and the command hsic (on PATH, or by --hsic). Without a file of rows it draws some.
Prints the largest difference of a probability; exits with 1 if it is over the tolerance, or if a class differs.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import tomllib

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "identity": None,
}


def modules_of(tensors, activation):
    """The modules that own the tensors, in order; an index without tensors is an activation.

    A module's kind follows from the names and shapes of its tensors. A further kind is a further case here.
    """
    owned = {}
    for name, tensor in tensors.items():
        index, part = name.split(".")
        owned.setdefault(int(index), {})[part] = tensor
    modules = []
    last = max(owned)
    # The activation of the last block comes behind the last module with tensors.
    for index in range(last + 1 + (ACTIVATIONS[activation] is not None)):
        parts = owned.get(index, {})
        weight = parts.get("weight")
        if not parts:
            modules.append(ACTIVATIONS[activation]())
        elif "running_mean" in parts:
            modules.append(nn.BatchNorm1d(len(parts["running_mean"]), affine=weight is not None))
        elif weight is not None and weight.dim() == 2:
            modules.append(nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in parts))
        else:
            shapes = {part: tuple(tensor.shape) for part, tensor in parts.items()}
            sys.exit(f"module {index} with {shapes}: expected a linear layer or a batch norm")
    return modules


def prepared(rows, data):
    """Rows as a file holds them -> what the network was trained on (the same arithmetic as `hsic predict`)."""
    if data["pixels"] and rows.dtype == np.uint8:
        rows = rows.astype(np.float32) / np.float32(255.0)
    elif data["standardization"] is not None:
        means = np.array(data["standardization"]["means"])
        deviations = np.array(data["standardization"]["deviations"])
        constant = deviations == 0
        rows = np.where(constant, 0.0, (rows - means) / np.where(constant, 1.0, deviations))
    return torch.from_numpy(rows.reshape(len(rows), -1).astype(np.float32))


def drawn(data, generator):
    """64 rows of the kind that the run was trained on."""
    shape = data["shape"]
    columns = shape["channels"] * shape["height"] * shape["width"]
    if data["pixels"]:
        return generator.integers(0, 256, (64, columns), dtype=np.uint8)
    rows = generator.normal(size=(64, columns))
    if data["standardization"] is not None:
        rows = rows * data["standardization"]["deviations"] + data["standardization"]["means"]
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path, help="folder of a finished run")
    parser.add_argument("rows", type=pathlib.Path, nargs="?", help=".npy of rows x columns, as for hsic predict")
    parser.add_argument("--hsic", default="hsic", help="the command [default: hsic]")
    parser.add_argument("--tolerance", type=float, default=1e-5, help="of a probability [default: 1e-5]")
    arguments = parser.parse_args()

    config = tomllib.loads((arguments.run / "config.toml").read_text())
    data = json.loads((arguments.run / "data.json").read_text())
    readout = json.loads((arguments.run / "readout.json").read_text())

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for kind in ("safetensors", "npz"):
            export = [arguments.hsic, "export", arguments.run, "--format", kind, "--output", folder / f"net.{kind}"]
            subprocess.run(export, check=True)
        tensors = load_file(folder / "net.safetensors")
        with np.load(folder / "net.npz") as archive:
            same = sorted(archive.files) == sorted(tensors)
            if not (same and all(np.array_equal(archive[name], tensors[name].numpy()) for name in tensors)):
                sys.exit("the npz and the safetensors export differ")

        rows_file = arguments.rows
        if rows_file is None:
            rows_file = folder / "rows.npy"
            np.save(rows_file, drawn(data, np.random.default_rng(1)))
        predict = [arguments.hsic, "predict", arguments.run, rows_file, "--json"]
        said = json.loads(subprocess.run(predict, check=True, capture_output=True).stdout)
        rows = np.load(rows_file)

    network = nn.Sequential(*modules_of(tensors, config["network"]["activation"]))
    network.load_state_dict(tensors, strict=True)
    network.eval()
    print(network)
    with torch.no_grad():
        outputs = network(prepared(rows, data)).double()

    units = torch.softmax(outputs / readout["temperature"], dim=1)
    class_of_unit = torch.tensor(readout["class_of_unit"])
    probabilities = torch.zeros(len(rows), len(data["class_names"]), dtype=torch.float64)
    probabilities.index_add_(1, class_of_unit, units)
    classes = [data["class_names"][k] for k in class_of_unit[outputs.argmax(dim=1)]]

    theirs = torch.tensor([found["probabilities"] for found in said["predictions"]], dtype=torch.float64)
    difference = (probabilities - theirs).abs().max().item()
    differing = sum(a != found["class"] for a, found in zip(classes, said["predictions"], strict=True))
    print(f"{len(rows)} rows: largest difference of a probability {difference:.2e}, {differing} classes differ")
    if difference > arguments.tolerance or differing:
        sys.exit(1)


if __name__ == "__main__":
    main()
