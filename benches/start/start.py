#!/usr/bin/env python3
"""Times whole programs on MNIST from process start to result, ours against PyTorch: README.md says what and how."""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "compare"))

from turns import Launch, environment, measure, show, summarize  # noqa: E402

PARTS = ("epoch", "target", "startup", "small")
TITLES = {
    "epoch": "One epoch of MNIST (784-256x6-10, batch {batch_size}) from process start to test accuracy",
    "target": "{percent:g} % of MNIST's test images right, from process start (784-256x6-10, batch {batch_size})",
    "startup": "Start-up and nothing else",
    "small": "One epoch of 512 images of MNIST (784-256x6-10, batch {batch_size}), from process start",
}
# Both sides alike: the defaults of `hsic train`, and for back-propagation the best of some quick trials.
LOCAL = ["--learning-rate", "2e-3", "--momentum", "0"]
BACK = ["--learning-rate", "0.03", "--momentum", "0.9"]
OURS = {"ours, HSIC": LOCAL, "ours, back-propagation": ["--method", "backprop", *BACK]}
RIVALS = {
    "PyTorch HSIC, closed form": ("closed-form", LOCAL),
    "PyTorch HSIC, tuned": ("tuned", LOCAL),
    "PyTorch back-propagation": ("back-propagation", BACK),
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated [default: all]")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data", type=Path, default=os.environ.get("HSIC_DATA"),
                        help="folder that holds mnist/ with its four files [default: $HSIC_DATA]")
    parser.add_argument("--train-size", type=int, help="training images kept [default: all]")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--accuracy", type=float, default=0.97, help="that the target part asks for [default: 0.97]")
    parser.add_argument("--seeds", default="1,2,3", help="that must reach it, taken in turn by the rounds [default: 1,2,3]")
    parser.add_argument("--most-epochs", type=int, default=5, help="tried to reach it [default: 5]")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hsic", type=Path, required=True, help="the built command")
    parser.add_argument("--python", default=sys.executable, help="interpreter with torch")
    parser.add_argument("--json", type=Path, help="file for every time")
    arguments = parser.parse_args()
    arguments.parts = arguments.parts.split(",")
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"--parts {','.join(unknown)}: expected some of {', '.join(PARTS)}")
    if arguments.data is None or not (arguments.data / "mnist").is_dir():
        parser.error(f"--data {arguments.data}: expected a folder with mnist/ in it (hsic data fetch mnist --data-dir DIR)")
    arguments.seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if min(arguments.rounds, arguments.most_epochs) < 1:
        parser.error("--rounds and --most-epochs: expected at least 1")
    return arguments


class Training(Launch):
    """A training that prints JSON; each launch takes the next of the seeds."""

    def __init__(self, name, command, seeds):
        super().__init__(name, command)
        self.base, self.seeds = list(command), seeds

    def run(self, times):
        result = []
        for _ in range(times):
            self.command = list(map(str, [*self.base, "--seed", self.seeds[len(self.made) % len(self.seeds)]]))
            result += super().run(1)
        return result

    def accuracies(self):
        return [json.loads(each["output"])["test_accuracy"] for each in self.made]


def trainings(arguments, folder, epochs, sizes=(), names=None):
    """All trainings by name; `epochs` of each by name, or of all."""
    given = ["--epochs", "--batch-size", arguments.batch_size, "--threads", arguments.threads, "--widths", "256x6"]
    result = []
    for name in names or [*OURS, *RIVALS]:
        count = epochs[name] if isinstance(epochs, dict) else epochs
        options = [given[0], count, *given[1:], *sizes]
        if name in OURS:
            command = [arguments.hsic, "train", "--dataset", "mnist", "--data-dir", arguments.data, *OURS[name]]
            command += ["--run", folder / "run", "--force", "--quiet", "--json"]
        else:
            method, own = RIVALS[name]
            command = [arguments.python, HERE / "mnist.py", method, "--data", arguments.data, *own]
        result.append(Training(name, [*command, *options], arguments.seeds))
    return result


def fewest_epochs(arguments, folder, sizes):
    """By name, the fewest epochs with which the program reaches the accuracy from every seed, in runs of that length;
    programs that reach it with none are left out. And all accuracies on the way."""
    found, tried = {}, []
    for name in [*OURS, *RIVALS]:
        for epochs in range(1, arguments.most_epochs + 1):
            (training,) = trainings(arguments, folder, epochs, sizes, [name])
            training.run(len(arguments.seeds))
            reached = training.accuracies()
            tried.append({"program": name, "epochs": epochs, "accuracies": reached})
            print(f"{name}, {epochs} epochs: {reached}", file=sys.stderr, flush=True)
            if min(reached) >= arguments.accuracy:
                found[name] = epochs
                break
    return found, tried


def startups(arguments):
    """Programs that do next to nothing."""
    return [
        Launch("hsic --version", [arguments.hsic, "--version"]),
        Launch("python, numpy", [arguments.python, "-c", "import numpy"]),
        Launch("python, torch", [arguments.python, "-c", "import torch"]),
    ]


def columns_of(programs):
    """Further columns of the table: peak memory, and accuracies where there are any."""
    by_name = {program.name: program for program in programs}

    def peak(row):
        middle, bound = by_name[row["program"]].peak()
        return f"{'at most ' if bound else ''}{middle / 1e6:.0f}"

    def accuracy(row):
        found = by_name[row["program"]].accuracies()
        return f"{100 * statistics.median(found):.2f} ({100 * min(found):.2f} - {100 * max(found):.2f})"

    trained = all(isinstance(program, Training) for program in programs)
    return {"peak MB": peak, **({"test accuracy, % (range)": accuracy} if trained else {})}


def run_part(arguments, part, folder):
    sizes = ["--train-size", arguments.train_size] if arguments.train_size else []
    note, tried = {}, []
    if part == "startup":
        programs = startups(arguments)
    elif part == "small":
        programs = trainings(arguments, folder, 1, ["--train-size", 512, "--test-size", 512])
    elif part == "epoch":
        programs = trainings(arguments, folder, 1, sizes)
    else:
        epochs, tried = fewest_epochs(arguments, folder, sizes)
        if not epochs:
            print(f"\nno program reached {arguments.accuracy} within {arguments.most_epochs} epochs")
            return {"part": part, "tried": tried}
        programs = trainings(arguments, folder, epochs, sizes, list(epochs))
        note = {"epochs": lambda row: str(epochs[row["program"]])}
        for name in [name for name in [*OURS, *RIVALS] if name not in epochs]:
            print(f"\n{name}: not within {arguments.most_epochs} epochs")
    for program in programs:
        program.wait_ready()
    records = measure(programs, arguments.rounds, 1, warm_up=0)
    rows = summarize([program.name for program in programs], programs[0].name, records)
    title = TITLES[part].format(batch_size=arguments.batch_size, percent=100 * arguments.accuracy)
    show(f"{title}; {arguments.threads} threads; {arguments.rounds} rounds; ratio = {programs[0].name} / program",
         rows, unit="s", more={**note, **columns_of(programs)})
    launches = {p.name: {"command": p.command, "floor_bytes": p.floor, "made": p.made} for p in programs}
    return {"part": part, "tried": tried, "reference": programs[0].name, "summary": rows, "rounds": records, "launches": launches}


def main():
    arguments = parse()
    before, results = environment(arguments.python, ("numpy", "torch")), []
    for part in arguments.parts:
        with tempfile.TemporaryDirectory() as folder:
            results.append(run_part(arguments, part, Path(folder)))
        if arguments.json:  # after each part, so that what comes later loses nothing
            settings = {key: getattr(arguments, key) for key in ("batch_size", "accuracy", "seeds", "threads", "train_size")}
            arguments.json.write_text(json.dumps({"environment": before, **settings, "parts": results}) + "\n")


if __name__ == "__main__":
    main()
