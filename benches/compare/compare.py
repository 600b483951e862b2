#!/usr/bin/env python3
"""Times training steps of the Rust engine against PyTorch, side by side: README.md says what and how."""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from turns import HERE, Program, environment, measure, show, start, summarize

RIVALS = {
    "mlp": ["authors", "tuned", "closed-form", "batched", "compiled", "back-propagation", "back-propagation-compiled"],
    "conv": ["authors", "tuned", "closed-form", "compiled", "back-propagation", "back-propagation-compiled"],
}
DESCRIPTIONS = {"mlp": "784-{}-10", "vgg": "vgg ({})", "resnet-conv": "resnet-conv ({})"}
OWN = {
    "mlp": ("256x6", "1x28x28"),
    "vgg": ("32,64p,64p,128,128p", "3x32x32"),
    "resnet-conv": ("64x6", "1x28x28"),
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, help="timed steps of a turn [default: 30; of convolutional networks 5]")
    parser.add_argument("--network", choices=list(OWN), default="mlp")
    parser.add_argument("--shape", help="CxHxW of a sample [default: 1x28x28; vgg: 3x32x32]")
    parser.add_argument("--widths", help="blocks before the last one [default: mlp 256x6, vgg 32,64p,64p,128,128p, resnet-conv 64x6]")
    parser.add_argument("--feature", default="pool:2", help="what HSIC sees of maps: flat or pool:K [default: pool:2]")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rivals", help="comma-separated [default: all but batched-compiled]")
    parser.add_argument("--compile", action="store_true", help="add batched-compiled (mlp)")
    parser.add_argument("--ours", type=Path, help="the built example `step`")
    parser.add_argument("--without-ours", action="store_true", help="PyTorch alone; ratios are to back-propagation")
    parser.add_argument("--without-check", action="store_true", help="do not compare the programs' gradients first")
    parser.add_argument("--python", default=sys.executable, help="interpreter with torch")
    parser.add_argument("--json", type=Path, help="file for every step time")
    arguments = parser.parse_args()
    default = RIVALS["mlp" if arguments.network == "mlp" else "conv"]
    arguments.rivals = default if arguments.rivals is None else [name for name in arguments.rivals.split(",") if name]
    if arguments.compile:
        arguments.rivals = [*arguments.rivals, "batched-compiled"]
    if arguments.steps is None:
        arguments.steps = 30 if arguments.network == "mlp" else 5
    if not arguments.without_ours and arguments.ours is None:
        parser.error("--ours PATH or --without-ours is needed (run.sh builds ours and passes it)")
    if min(arguments.rounds, arguments.steps) < 1:
        parser.error("--rounds and --steps: expected at least 1")
    widths, shape = OWN[arguments.network]
    arguments.widths, arguments.shape = arguments.widths or widths, arguments.shape or shape
    return arguments


def commands_of(arguments, options):
    """All programs, the reference of the ratios first."""
    commands = {}
    if not arguments.without_ours:
        ours = [arguments.ours, *options]
        for schedule in ("parallel", "sequential"):
            commands[f"ours, {schedule}"] = [*ours, "--schedule", schedule, "--method", "hsic"]
        commands["ours, back-propagation"] = [*ours, "--method", "backprop"]
    for name in arguments.rivals:
        commands[name] = [arguments.python, HERE / "rivals.py", name, *options]
    return commands


def main():
    arguments = parse()
    before = environment(arguments.python)
    names = ("network", "shape", "widths", "feature", "batch_size", "threads")
    options = [part for name in names for part in ("--" + name.replace("_", "-"), str(getattr(arguments, name)))]
    if not arguments.without_check:
        command = [arguments.python, HERE / "check.py", *options]
        command += [] if arguments.without_ours else ["--ours", arguments.ours]
        command += ["--compiled"] if "compiled" in arguments.rivals else []
        subprocess.run(command, check=True)
    programs, skipped = start(commands_of(arguments, options))
    rates = Program("products", [arguments.python, HERE / "rivals.py", "products", "--threads", arguments.threads])
    rates.wait_ready()

    names = [p.name for p in programs]
    reference = "back-propagation" if arguments.without_ours and "back-propagation" in names else names[0]
    warm_up = 3 if arguments.network == "mlp" else 1
    rounds = measure(
        programs, arguments.rounds, arguments.steps, warm_up, lambda: {"products_gflops": rates.run(1)}
    )
    for program in (*programs, rates):
        program.close()
    rows = summarize(names, reference, rounds)
    network = DESCRIPTIONS[arguments.network].format(arguments.widths)
    maps = "" if arguments.network == "mlp" else f" on {arguments.shape}, feature {arguments.feature}"
    show(f"{network}{maps}, batch {arguments.batch_size}, {arguments.threads} threads; {arguments.rounds} rounds of "
         f"{arguments.steps} steps; ratio = {reference} / program, round by round", rows)
    for name, why in skipped.items():
        print(f"\nskipped {name}: {why}", end="")
    for size, found in zip((256, 1024), zip(*(r["products_gflops"] for r in rounds))):
        print(f"\nPyTorch product {size}^3, float32: {min(found):.0f} - {max(found):.0f} GFLOP/s, "
              f"median {statistics.median(found):.0f}", end="")
    print()
    if arguments.json:
        keys = ("network", "shape", "widths", "feature", "batch_size", "threads", "steps")
        shape = {key: getattr(arguments, key) for key in keys}
        content = {"environment": before, **shape, "reference": reference, "skipped": skipped, "summary": rows}
        arguments.json.write_text(json.dumps({**content, "rounds": rounds}) + "\n")


if __name__ == "__main__":
    main()
