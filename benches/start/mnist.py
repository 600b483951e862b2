"""A training on MNIST in PyTorch from process start to test accuracy: prints one JSON object, as `hsic train --json`.

Files are read with NumPy and stay bytes; a batch is scaled to [0, 1] when it is drawn. HSIC's output units are matched to
classes on the first 10,000 training images.
"""

import time

BEGIN = time.perf_counter()

import argparse  # noqa: E402
import gzip  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import sys  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "compare"))

import networks  # noqa: E402
from rivals import BackPropagation, DenseClosedForm, Tuned  # noqa: E402
from turns import peak_bytes  # noqa: E402

METHODS = {"closed-form": DenseClosedForm, "tuned": Tuned, "back-propagation": BackPropagation}
LOCAL = ("closed-form", "tuned")
MATCHED = 10_000


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four files, or with mnist/ of them")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--widths", default="256x6")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--optimizer", choices=("sgd", "adam"), default="sgd")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="falls to 0 by a cosine")
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--train-size", type=int, help="training images kept")
    parser.add_argument("--test-size", type=int, help="test images kept")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def read(folder, name, header):
    folder = folder / "mnist" if (folder / "mnist").is_dir() else folder
    path = folder / name
    content = path.read_bytes() if path.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=header)


def load(folder, part, size):
    images = read(folder, f"{part}-images-idx3-ubyte", 16).reshape(-1, 784)[:size]
    labels = read(folder, f"{part}-labels-idx1-ubyte", 8)[:size]
    return torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64))


def scaled(images):
    return images.float().div_(255)


def make(arguments):
    options = argparse.Namespace(network="mlp", shape=None, widths=arguments.widths, feature="pool:2")
    setting = replace(networks.Setting.of(options), seed=arguments.seed)
    rival = METHODS[arguments.method](setting, arguments.threads)
    if arguments.optimizer == "adam":
        rival.optimizer = torch.optim.Adam(rival.net.parameters(), fused=True)
    for group in groups(rival):
        if arguments.optimizer == "sgd":
            group["momentum"] = arguments.momentum
    rival.momentum = arguments.momentum
    return setting, rival


def groups(rival):
    """Of all optimizers; the dense closed form has none, but a rate and a momentum."""
    optimizers = getattr(rival, "optimizers", None) or [o for o in [getattr(rival, "optimizer", None)] if o]
    return [group for optimizer in optimizers for group in optimizer.param_groups]


def train(arguments, setting, rival, images, labels):
    generator = torch.Generator().manual_seed(arguments.seed)
    m, found = arguments.batch_size, groups(rival)
    steps, step = arguments.epochs * math.ceil(len(images) / m), 0
    for _ in range(arguments.epochs):
        for rows in torch.randperm(len(images), generator=generator).split(m):
            rival.rate = arguments.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
            for group in found:
                group["lr"] = rival.rate
            rival.step(networks.make_batch(setting, scaled(images[rows]), labels[rows]))
            step += 1
    return steps


@torch.inference_mode()
def counts(net, images, labels):
    """Of samples by class and by largest output."""
    table = np.zeros((networks.CLASSES, networks.CLASSES), np.int64)
    for rows, classes in zip(images.split(1000), labels.split(1000)):
        np.add.at(table, (classes.numpy(), net(scaled(rows)).argmax(1).numpy()), 1)
    return table


def matching(table):
    """A class for each unit, the pairs with most samples first."""
    table, unit_of = table.copy(), {}
    for _ in range(len(table)):
        label, unit = np.unravel_index(table.argmax(), table.shape)
        unit_of[label] = unit
        table[label, :] = table[:, unit] = -1
    return [unit_of[label] for label in range(len(table))]


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    imported = time.perf_counter()
    images, labels = load(arguments.data, "train", arguments.train_size)
    test_images, test_labels = load(arguments.data, "t10k", arguments.test_size)
    setting, rival = make(arguments)
    loaded = time.perf_counter()
    steps = train(arguments, setting, rival, images, labels)
    trained = time.perf_counter()
    torch.set_num_threads(arguments.threads)  # which a rival may have taken for its own workers
    net = rival.net.eval()
    table = counts(net, test_images, test_labels)
    if arguments.method in LOCAL:
        table = table[:, matching(counts(net, images[:MATCHED], labels[:MATCHED]))]
    print(json.dumps({
        "test_accuracy": float(table.trace() / table.sum()),
        "epochs": arguments.epochs,
        "steps": steps,
        "seconds": {"import": imported - BEGIN, "load": loaded - imported, "train": trained - loaded,
                    "evaluate": time.perf_counter() - trained},
        "peak_memory_bytes": peak_bytes(),
    }))


if __name__ == "__main__":
    main()
