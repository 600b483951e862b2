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

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

class Residual(nn.Module):
    """activation(norm(inner(x) + x))"""

    def __init__(self, inner, *after):
        super().__init__()
        self.inner = inner
        self.norm = next((module for module in after if hasattr(module, "running_mean")), nn.Identity())
        self.activation = next((module for module in after if not hasattr(module, "running_mean")), nn.Identity())

    def forward(self, x):
        return self.activation(self.norm(self.inner(x) + x))


def rows_of(x):
    """A batch as hsic stores it: a row a sample, maps channels last."""
    return (x.permute(0, 2, 3, 1) if x.dim() == 4 else x).reshape(len(x), -1)


def like(rows, x):
    """Rows as a batch of the shape of x."""
    if x.dim() != 4:
        return rows
    batch, channels, height, width = x.shape
    return rows.reshape(batch, height, width, channels).permute(0, 3, 1, 2)


class RowRms(nn.Module):
    """Each row to a mean square of 1."""

    def forward(self, x):
        rows = rows_of(x)
        return like(rows / (rows.square().mean(1, keepdim=True) + 1e-8).sqrt(), x)


class DivisiveNorm(nn.Module):
    """Each of several groups of columns (of a map: of channels) less its mean, by a power of its variance."""

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        groups, channels = min(self.groups, x.shape[1]), x.shape[1]
        parts = []
        for group in range(groups):
            part = x[:, group * channels // groups : (group + 1) * channels // groups]
            axes = tuple(range(1, x.dim()))
            part = part - part.mean(axes, keepdim=True)
            variance = (part.square().sum(axes, keepdim=True) + 1) / part[0].numel()
            parts.append(part / variance**0.2)
        return torch.cat(parts, 1)


class DivisiveBands(nn.Module):
    """What runs of an earlier version have in place of DivisiveNorm: groups of values in the order of storage."""

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        rows = rows_of(x)
        groups, columns = min(self.groups, rows.shape[1]), rows.shape[1]
        parts = []
        for group in range(groups):
            part = rows[:, group * columns // groups : (group + 1) * columns // groups]
            part = part - part.mean(1, keepdim=True)
            variance = (part.square().sum(1, keepdim=True) + 1) / part.shape[1]
            parts.append(part / variance**0.2)
        return like(torch.cat(parts, 1), x)


class NeutralLabel(nn.Module):
    """The first values of a row, where training writes a label, become those of a label that says nothing."""

    def __init__(self, classes, value):
        super().__init__()
        self.classes, self.value = classes, value

    def forward(self, x):
        rows = x.flatten(1).clone()
        rows[:, : self.classes] = self.value
        return rows.view_as(x)


class Squash(nn.Module):
    """Channels, so many at a time, become capsules: |s|^2 / (1 + |s|^2) * s / sqrt(|s|^2 + 1e-8)."""

    def __init__(self, dimensions):
        super().__init__()
        self.dimensions = dimensions

    def forward(self, x):
        return squash(x.unflatten(1, (-1, self.dimensions)), 2).flatten(1, 2)


def squash(s, axis):
    square = (s * s).sum(axis, keepdim=True)
    return square / (1 + square) * s / torch.sqrt(square + 1e-8)


class RoutedCapsules(nn.Module):
    """Routing by agreement; capsules come in the order type, line, pixel."""

    def __init__(self, inputs, depth, outputs, width, rounds, bias):
        super().__init__()
        self.depth, self.rounds = depth, rounds
        self.weight = nn.Parameter(torch.empty(outputs, inputs, width, depth))
        self.bias = nn.Parameter(torch.empty(outputs, width)) if bias else None

    def forward(self, x):
        u = x.unflatten(1, (-1, self.depth))
        if x.dim() == 4:
            u = u.flatten(3).movedim(2, 3).flatten(1, 2)
        votes = torch.einsum("jiqp,mip->mjiq", self.weight, u)
        logits = torch.zeros(votes.shape[:3], dtype=votes.dtype)
        for _ in range(self.rounds):
            s = (torch.softmax(logits, 1).unsqueeze(-1) * votes).sum(2)
            v = squash(s if self.bias is None else s + self.bias, 2)
            logits = logits + (votes * v.unsqueeze(2)).sum(-1)
        return v.flatten(1)


def module_of(said):
    """A module from what the export says of it: its class, its numbers, the modules inside."""
    kind, numbers = said["class"], [int(number) for number in said["arguments"]]
    inner = [module_of(each) for each in said.get("inner", [])]
    if kind == "Residual":
        return Residual(*inner)
    if kind == "Sequential":
        return nn.Sequential(*inner)
    if kind in ("Dropout", "Dropout2d"):
        return getattr(nn, kind)(said["arguments"][0])
    if kind == "NeutralLabel":
        return NeutralLabel(numbers[0], said["arguments"][1])
    if kind in ("RowRms", "DivisiveNorm", "DivisiveBands"):
        return globals()[kind](*numbers)
    if kind == "Squash":
        return Squash(*numbers)
    if kind == "RoutedCapsules":
        return RoutedCapsules(*numbers)
    if kind.startswith("BatchNorm"):
        return getattr(nn, kind)(numbers[0], affine=bool(numbers[1]))
    return getattr(nn, kind)(*numbers)


def feature_of(x, of):
    """What a layer on all blocks sees of a batch: all, means of K x K fields (pool:K), or mean and deviation of channels."""
    if x.dim() != 4 or of == "flat":
        return rows_of(x)
    if of == "channels":
        if x.shape[2] * x.shape[3] == 1:
            return rows_of(x)
        return torch.cat([x.mean((2, 3)), (x.var((2, 3), correction=0) + 1e-5).sqrt()], 1)
    side = int(of.removeprefix("pool:"))

    def fields(size):
        count = min(side, size)
        return [slice(index * size // count, (index + 1) * size // count) for index in range(count)]

    means = [x[:, :, lines, pixels].mean((2, 3)) for lines in fields(x.shape[2]) for pixels in fields(x.shape[3])]
    return torch.cat(means, 1)


def features_of(network, x, after, of):
    """The features of all blocks side by side; block k ends after so many modules."""
    features = []
    for index, module in enumerate(network, 1):
        x = module(x)
        if index in after:
            features.append(feature_of(x, of))
    return torch.cat(features, 1)


def prepared(rows, data):
    """Rows as a file holds them -> what the network was trained on (the same arithmetic as `hsic predict`)."""
    if data["pixels"]:
        if rows.dtype == np.uint8:
            rows = rows.astype(np.float32) / np.float32(255.0)
        if data["normalization"] is not None:
            channels = (len(rows), data["shape"]["channels"], -1)
            means = np.array(data["normalization"]["means"]).reshape(1, -1, 1)
            deviations = np.array(data["normalization"]["deviations"]).reshape(1, -1, 1)
            rows = (rows.reshape(channels) - means) / deviations
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

    data = json.loads((arguments.run / "data.json").read_text())
    readout = json.loads((arguments.run / "readout.json").read_text())

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for kind in ("safetensors", "npz"):
            export = [arguments.hsic, "export", arguments.run, "--format", kind, "--output", folder / f"net.{kind}"]
            subprocess.run(export, check=True)
        tensors = load_file(folder / "net.safetensors")
        with safe_open(folder / "net.safetensors", "pt") as file:
            state = json.loads(file.metadata()["state"])
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

    network = nn.Sequential(*[module_of(each) for each in state["modules"]])
    # A softmax layer on all blocks is no module of the network.
    layer = [tensors.pop(f"format.{name}", None) for name in ("weight", "bias")]
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    if unexpected or not all(name.endswith("num_batches_tracked") for name in missing):
        sys.exit(f"tensors that do not fit: {missing} missing, {unexpected} unexpected")
    network.eval()
    print(network)
    with torch.no_grad():
        x = prepared(rows, data)
        if isinstance(network[0], nn.Conv2d):
            shape = data["shape"]
            x = x.reshape(len(x), shape["channels"], shape["height"], shape["width"])
        if layer[0] is not None:
            outputs = nn.functional.linear(features_of(network, x, **state["features"]), *layer).double()
        else:
            outputs = network(x).double()
        if layer[0] is None and isinstance(network[-1], RoutedCapsules):
            # Classes are read from the capsules' lengths.
            outputs = outputs.unflatten(1, (-1, network[-1].weight.shape[2])).norm(dim=2)

    if (arguments.run / "format.safetensors").exists():
        # Outputs are the class scores of the softmax layer.
        readout = {"temperature": 1.0, "class_of_unit": list(range(len(data["class_names"])))}
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
