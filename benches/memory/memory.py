#!/usr/bin/env python3
"""Peak resident memory of training as depth grows, of the Rust engine and of PyTorch: README.md says what and how."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPARE = HERE.parent / "compare"
sys.path.insert(0, str(COMPARE))

from networks import Setting, parameter_bytes, parse_widths  # noqa: E402
from turns import Program, environment  # noqa: E402

MEBIBYTE = 2**20
WIDTH = 256
TARGET = 5.0  # percent
OURS = {
    "ours, sequential": ["--schedule", "sequential", "--method", "hsic"],
    "ours, parallel": ["--schedule", "parallel", "--method", "hsic"],
    "ours, back-propagation": ["--method", "backprop"],
    "ours, back-propagation-recompute": ["--method", "backprop", "--recompute", "auto"],
}
RIVALS = [
    "tuned", "closed-form", "back-propagation", "back-propagation-checkpoint", "back-propagation-accumulation",
]
# PyTorch's programs of train.py.
TRAINED = ["back-propagation", "back-propagation-checkpoint", "back-propagation-accumulation"]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", default="5,20,50,100,200,500", help="hidden blocks; growth is over the first")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rivals", default=",".join(RIVALS), help="comma-separated [default: %(default)s]")
    parser.add_argument("--ours", type=Path, help="the built example `step`")
    parser.add_argument("--without-ours", action="store_true", help="PyTorch alone")
    parser.add_argument("--accuracy", action="store_true", help="train MNIST 784-256x5-10 as well")
    parser.add_argument("--epochs", type=int, default=1, help="of --accuracy")
    parser.add_argument("--train-size", type=int, default=60000, help="of --accuracy")
    parser.add_argument("--data-dir", default=os.environ.get("HSIC_DATA"), help="folder that holds mnist [default: HSIC_DATA]")
    parser.add_argument("--hsic", type=Path, help="the built `hsic`, for --accuracy")
    parser.add_argument("--python", default=sys.executable, help="interpreter with torch")
    parser.add_argument("--json", type=Path, help="file for every number")
    arguments = parser.parse_args()
    arguments.blocks = [int(count) for count in arguments.blocks.split(",")]
    arguments.rivals = [name for name in arguments.rivals.split(",") if name]
    if not arguments.without_ours and arguments.ours is None:
        parser.error("--ours PATH or --without-ours is needed (run.sh builds ours and passes it)")
    if min(*arguments.blocks, arguments.steps, arguments.epochs) < 1:
        parser.error("--blocks, --steps, --epochs: expected at least 1")
    if arguments.accuracy and not arguments.data_dir:
        parser.error("--accuracy: expected --data-dir or HSIC_DATA, the folder that holds mnist")
    if arguments.accuracy and not arguments.without_ours and arguments.hsic is None:
        parser.error("--accuracy: expected --hsic PATH (run.sh builds it and passes it)")
    return arguments


def commands_of(arguments):
    """Name and command of each program, without the network's options."""
    ours = {} if arguments.without_ours else {name: [arguments.ours, *options] for name, options in OURS.items()}
    rival = lambda name: [arguments.python, COMPARE / "rivals.py", name]
    return {**ours, **{name: rival(name) for name in arguments.rivals}}


def state_bytes(name, blocks):
    """Parameters, the gradients held at once, momentum and running statistics, from the shapes."""
    setting = Setting("mlp", (1, 28, 28), tuple(parse_widths(f"{WIDTH}x{blocks}")), 0)
    parameters, largest, statistics_ = parameter_bytes(setting, classifier="back-propagation" in name)
    # Ours forms the gradient of one block at a time; closed-form adds it to the momentum at once.
    gradients = largest if name.startswith("ours") else 0 if name == "closed-form" else parameters
    return 2 * parameters + gradients + statistics_


def measure(name, command, blocks, arguments):
    """Peak memory and step times of one program at one depth, in a process of its own."""
    options = ["--network", "mlp", "--widths", f"{WIDTH}x{blocks}"]
    options += ["--batch-size", arguments.batch_size, "--threads", arguments.threads]
    program = Program(name, [*command, *options])
    program.wait_ready()
    times = program.run(arguments.steps)
    row = {
        "program": name,
        "blocks": blocks,
        "peak_bytes": program.peak_bytes(),
        "state_bytes": state_bytes(name, blocks),
        "milliseconds": times,
    }
    program.close()
    print(f"{name}, {blocks} blocks: {row['peak_bytes'] / MEBIBYTE:.1f} MiB", file=sys.stderr, flush=True)
    return row


def add_growth(rows):
    """Growth beyond the state over the program's first depth; in percent of the peak there."""
    first = {}
    for row in rows:
        base = first.setdefault(row["program"], row)
        beyond = lambda r: r["peak_bytes"] - r["state_bytes"]
        row["growth_bytes"] = beyond(row) - beyond(base)
        row["growth_percent"] = 100 * row["growth_bytes"] / base["peak_bytes"]
        row["growth_percent_of_expected"] = 100 * row["growth_bytes"] / (row["peak_bytes"] - row["growth_bytes"])


def show(rows, arguments):
    print(f"\n784-{WIDTH}xL-10, batch {arguments.batch_size}, {arguments.threads} threads, {arguments.steps} steps; MiB\n")
    first = arguments.blocks[0]
    print(f"| program | blocks L | peak | state | growth over {first} beyond state | of the peak at {first} | ms a step |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        print(f"| {row['program']} | {row['blocks']} | {row['peak_bytes'] / MEBIBYTE:.1f} "
              f"| {row['state_bytes'] / MEBIBYTE:.1f} | {row['growth_bytes'] / MEBIBYTE:.1f} "
              f"| {row['growth_percent']:.1f} % | {statistics.median(row['milliseconds']):.1f} |")
    ours = [row for row in rows if row["program"] == "ours, sequential"]
    if len(ours) > 1:
        most = lambda key: max(row[key] for row in ours)
        print(f"\nours, sequential: beyond the state at most {most('growth_percent'):.1f} % of the peak at {first} blocks "
              f"(target: {TARGET:.0f} %), {most('growth_percent_of_expected'):.1f} % of that peak and the state's growth")


def train_ours(name, arguments):
    """The result of `hsic train` with its own settings (back-propagation: those of train.py)."""
    from train import LEARNING_RATE
    from rivals import MOMENTUM

    options = OURS[name]
    if "backprop" in options:
        options = [*options, "--learning-rate", LEARNING_RATE, "--momentum", MOMENTUM]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            arguments.hsic, "train", "--dataset", "mnist", "--data-dir", arguments.data_dir, "--widths", f"{WIDTH}x5",
            "--epochs", arguments.epochs, "--train-size", arguments.train_size, "--batch-size", arguments.batch_size,
            "--threads", arguments.threads, "--run", Path(folder) / "run", "--json", "--quiet", *options,
        ]
        found = json.loads(output_of(command))
    return {"accuracy": found["test_accuracy"], "peak_bytes": found["peak_memory_bytes"], "seconds": found["seconds"]}


def train_rival(name, arguments):
    command = [
        arguments.python, HERE / "train.py", name, "--data-dir", arguments.data_dir, "--widths", f"{WIDTH}x5",
        "--epochs", arguments.epochs, "--train-size", arguments.train_size, "--batch-size", arguments.batch_size,
        "--threads", arguments.threads,
    ]
    return json.loads(output_of(command))


def output_of(command):
    return subprocess.run(list(map(str, command)), check=True, text=True, stdout=subprocess.PIPE).stdout


def accuracies(arguments):
    rows = []
    for name in [] if arguments.without_ours else OURS:
        rows.append({"program": name, **train_ours(name, arguments)})
    for name in TRAINED:
        rows.append({"program": name, **train_rival(name, arguments)})
    return rows


def show_accuracies(rows, arguments):
    print(f"\nMNIST, 784-{WIDTH}x5-10, batch {arguments.batch_size}, {arguments.threads} threads, "
          f"{arguments.epochs} epoch(s) of {arguments.train_size} images\n")
    print("| program | test accuracy | peak, with the data, MiB | s |")
    print("| --- | ---: | ---: | ---: |")
    for row in rows:
        print(f"| {row['program']} | {100 * row['accuracy']:.2f} % | {row['peak_bytes'] / MEBIBYTE:.0f} "
              f"| {row['seconds']:.1f} |")


def main():
    arguments = parse()
    before = environment(arguments.python)
    commands = commands_of(arguments)
    rows = [measure(name, command, blocks, arguments) for name, command in commands.items() for blocks in arguments.blocks]
    add_growth(rows)
    show(rows, arguments)
    trained = accuracies(arguments) if arguments.accuracy else []
    if trained:
        show_accuracies(trained, arguments)
    if arguments.json:
        setting = {key: getattr(arguments, key) for key in ("batch_size", "threads", "steps", "epochs", "train_size")}
        content = {"environment": before, **setting, "memory": rows, "accuracy": trained}
        arguments.json.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
