"""Trains a classifier on MNIST by one of the back-propagation rivals of `../compare/rivals.py`; prints one JSON object:
test accuracy, peak resident memory (the data included) and seconds of training."""

import argparse
import gzip
import json
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "compare"))

import torch  # noqa: E402

from networks import Batch, Setting, parse_widths  # noqa: E402
from rivals import variants  # noqa: E402
from turns import peak_bytes  # noqa: E402

LEARNING_RATE = 0.05  # falls to 0 by half a cosine


def idx(folder, name):
    """An IDX file of bytes, gzipped or not."""
    path = folder / name
    content = path.read_bytes() if path.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())
    sides = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i]) for i in range(content[3])]
    return torch.frombuffer(bytearray(content[4 + 4 * len(sides) :]), dtype=torch.uint8).view(sides[0], -1)


def part(folder, name):
    """Images as rows of bytes, labels."""
    return idx(folder, f"{name}-images-idx3-ubyte"), idx(folder, f"{name}-labels-idx1-ubyte").view(-1).long()


def train(rival, images, labels, epochs, m):
    steps, step = epochs * (len(images) // m), 0
    generator = torch.Generator().manual_seed(1)
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        for chosen in order[: len(order) // m * m].split(m):
            for group in rival.optimizer.param_groups:
                group["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
            rows = images[chosen].float() / 255
            rival.step(Batch(rows, rows, labels[chosen]))
            step += 1


@torch.inference_mode()
def accuracy(net, images, labels):
    net.eval()
    right = 0
    for x, y in zip(images.split(256), labels.split(256)):
        right += (net(x.float() / 255).argmax(1) == y).sum().item()
    return right / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a rival that trains by back-propagation")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--widths", default="256x5")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--train-size", type=int, default=60000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    folder = arguments.data_dir / "mnist"
    setting = Setting("mlp", (1, 28, 28), tuple(parse_widths(arguments.widths)), 0)
    ((make, setting),) = variants(arguments.name, setting, arguments.threads).values()
    rival = make(setting)
    images, labels = (values[: arguments.train_size] for values in part(folder, "train"))
    start = time.perf_counter()
    train(rival, images, labels, arguments.epochs, arguments.batch_size)
    seconds = time.perf_counter() - start
    found = accuracy(rival.net, *part(folder, "t10k"))
    print(json.dumps({"accuracy": found, "peak_bytes": peak_bytes(), "seconds": seconds}))


if __name__ == "__main__":
    main()
