#!/usr/bin/env python3
"""Times a training step of `--recipe airbench`, by a local rule and by back-propagation, against PyTorch's back-propagation.

Programs take turns as in `compare.py`. `recipe.py program ...` is the PyTorch side: the network, optimizer and loss of the recipe
(the speed run on CIFAR-10 by Muon), maps channels last. Batches are in memory; what happens to images before is not timed.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from turns import HERE, environment, measure, show, start, summarize

WIDTHS = (64, 256, 256)
# Multiply-adds of a forward pass of an image of 3 x 32 x 32: the whitened windows, six convolutions, the output layer.
PRODUCTS = (12 * 24 * 31**2 + 9 * (24 * 64 * 31**2 + 64 * 64 * 15**2 + 64 * 256 * 15**2 + 256 * 256 * 7**2
            + 256 * 256 * 7**2 + 256 * 256 * 3**2) + 2560)


def program(arguments):
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)

    class Norm(nn.BatchNorm2d):
        """With a shift and without a scale."""

        def __init__(self, channels):
            super().__init__(channels, eps=1e-5)
            self.weight.requires_grad_(False)

    def group(inputs, outputs):
        first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        return [first, nn.MaxPool2d(2), Norm(outputs), nn.GELU(), second, Norm(outputs), nn.GELU()]

    white = nn.Conv2d(3, 24, 2)
    white.requires_grad_(False)
    channels = (24, *WIDTHS)
    layers = [white, nn.GELU()]
    for inputs, outputs in zip(channels, channels[1:]):
        layers += group(inputs, outputs)
    network = nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(WIDTHS[-1], 10))
    network = network.to(memory_format=torch.channels_last)
    filters = [p for p in network.parameters() if p.ndim == 4 and p.requires_grad]
    others = [p for p in network.parameters() if p.ndim < 4 and p.requires_grad]
    rest = torch.optim.SGD(others, lr=0.05, momentum=0.85, nesterov=True, fused=True)
    buffers = [torch.zeros_like(p) for p in filters]

    @torch.no_grad()
    def muon(rate=0.24, momentum=0.6):
        for filter, buffer in zip(filters, buffers):
            buffer.mul_(momentum).add_(filter.grad)
            x = filter.grad.add(buffer, alpha=momentum).reshape(len(filter), -1)
            x = x / (x.norm() + 1e-7)
            tall = x.shape[0] > x.shape[1]
            x = x.T if tall else x
            for _ in range(3):
                square = x @ x.T
                x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
            x = (x.T if tall else x).reshape(filter.shape)
            filter.mul_(len(filter) ** 0.5 / filter.norm()).sub_(x, alpha=rate)

    labels = torch.arange(arguments.batch_size) % 10
    batches = [torch.randn(arguments.batch_size, 3, 32, 32).contiguous(memory_format=torch.channels_last)
               for _ in range(4)]
    done = 0

    def step():
        nonlocal done
        loss = functional.cross_entropy(network(batches[done % 4]), labels, label_smoothing=0.2)
        for p in filters + others:
            p.grad = None
        loss.backward()
        muon()
        rest.step()
        done += 1

    step()
    print("ready", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line.split()[1])):
            begin = time.perf_counter()
            step()
            times.append((time.perf_counter() - begin) * 1e3)
        print(json.dumps(times), flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", nargs="?", choices=["program"], help="be the PyTorch side of the line protocol")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a turn")
    parser.add_argument("--batch-size", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ours", type=Path, help="the built program `recipe`")
    parser.add_argument("--python", default=sys.executable, help="interpreter with torch")
    parser.add_argument("--json", type=Path, help="file for every time")
    arguments = parser.parse_args()
    if not arguments.program and arguments.ours is None:
        parser.error("--ours PATH is needed (run.sh recipe builds ours and passes it)")
    return arguments


def main():
    arguments = parse()
    if arguments.program:
        program(arguments)
        return
    before = environment(arguments.python)
    options = ["--batch-size", arguments.batch_size, "--threads", arguments.threads]
    ours = lambda *more: [arguments.ours, *options, *more]
    programs, _ = start({
        "PyTorch, back-propagation": [arguments.python, HERE / "recipe.py", "program", *options],
        "ours, back-propagation": ours("--method", "backprop"),
        "ours, hsic-local": ours("--method", "hsic-local"),
        "ours, hsic-local, units of two": ours("--method", "hsic-local", "--unit", 2),
        "ours, mono-forward": ours("--method", "mono-forward"),
    })
    rounds = measure(programs, arguments.rounds, arguments.steps, warm_up=1)
    for each in programs:
        each.close()
    rows = summarize([p.name for p in programs], "PyTorch, back-propagation", rounds)
    for row in rows:
        # Summaries have the reference over the program; a bar is the program over the reference.
        row["of_reference"] = 1 / row["ratio"]
    flops = 6 * PRODUCTS * arguments.batch_size
    show(f"a step of the recipe at {arguments.batch_size} images, {arguments.threads} threads; {arguments.rounds} rounds of "
         f"{arguments.steps}; ratio = PyTorch's back-propagation / program; back-propagation is {flops / 1e9:.0f} GFLOP", rows,
         more={"program / PyTorch": lambda row: f"{row['of_reference']:.3f}"})
    if arguments.json:
        arguments.json.write_text(json.dumps({"environment": before, "summary": rows, "rounds": rounds}) + "\n")


if __name__ == "__main__":
    main()
