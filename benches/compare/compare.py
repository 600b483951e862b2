#!/usr/bin/env python3
"""Times training steps of the Rust engine against PyTorch, side by side: README.md says what and how."""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from networks import FEW_BLOCKS, Setting, operations
from turns import HERE, Program, environment, measure, show, start, summarize

RIVALS = {
    "mlp": ["authors", "tuned", "closed-form", "batched", "compiled", "back-propagation", "back-propagation-compiled"],
    "conv": ["authors", "tuned", "closed-form", "compiled", "back-propagation", "back-propagation-compiled"],
}
DESCRIPTIONS = {"mlp": "784-{}-10", "vgg": "vgg ({})", "resnet-conv": "resnet-conv ({})"}
WITHOUT_X = ["tuned-without-x", "closed-form-without-x"]
OURS_WITHOUT_X = "ours, without X"
RATE_MILLISECONDS = 50
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
    parser.add_argument("--rivals", help=f"comma-separated [default: all but batched-compiled; authors up to {FEW_BLOCKS} blocks]")
    parser.add_argument("--compile", action="store_true", help="add batched-compiled (mlp)")
    parser.add_argument("--without-x", action="store_true", help="add the programs without the X term")
    parser.add_argument("--ours", type=Path, help="the built example `step`")
    parser.add_argument("--without-ours", action="store_true", help="PyTorch alone; ratios are to back-propagation")
    parser.add_argument("--without-check", action="store_true", help="do not compare the programs' gradients first")
    parser.add_argument("--python", default=sys.executable, help="interpreter with torch")
    parser.add_argument("--json", type=Path, help="file for every step time")
    arguments = parser.parse_args()
    widths, shape = OWN[arguments.network]
    arguments.widths, arguments.shape = arguments.widths or widths, arguments.shape or shape
    arguments.setting = Setting.of(arguments)
    default = list(RIVALS["mlp" if arguments.network == "mlp" else "conv"])
    if len(arguments.setting.blocks()) > FEW_BLOCKS:
        default.remove("authors")
    arguments.rivals = default if arguments.rivals is None else [name for name in arguments.rivals.split(",") if name]
    if arguments.compile:
        arguments.rivals = [*arguments.rivals, "batched-compiled"]
    if arguments.without_x:
        arguments.rivals += [name for name in WITHOUT_X if name not in arguments.rivals]
    if arguments.steps is None:
        arguments.steps = 30 if arguments.network == "mlp" else 5
    if not arguments.without_ours and arguments.ours is None:
        parser.error("--ours PATH or --without-ours is needed (run.sh builds ours and passes it)")
    if min(arguments.rounds, arguments.steps) < 1:
        parser.error("--rounds and --steps: expected at least 1")
    return arguments


def commands_of(arguments, options):
    """All programs, the reference of the ratios first."""
    commands = {}
    if not arguments.without_ours:
        ours = [arguments.ours, *options]
        for schedule in ("parallel", "sequential"):
            commands[f"ours, {schedule}"] = [*ours, "--schedule", schedule, "--method", "hsic"]
        commands["ours, back-propagation"] = [*ours, "--method", "backprop"]
        if arguments.without_x:
            commands[OURS_WITHOUT_X] = [*ours, "--schedule", "parallel", "--method", "hsic", "--x-weight", "0"]
    for name in arguments.rivals:
        commands[name] = [arguments.python, HERE / "rivals.py", name, *options]
    return commands


class Rates:
    """Product rates of the moment in GFLOP/s, float32: PyTorch's on all threads, faer's on each thread at once."""

    def __init__(self, arguments):
        threads = ["--threads", arguments.threads]
        self.torch = Program("products", [arguments.python, HERE / "rivals.py", "products", *threads])
        self.torch.wait_ready()
        self.faer = None
        if not arguments.without_ours:
            self.faer = Program("faer", [arguments.ours, "--widths", "10", "--batch-size", "10", *threads])
            self.faer.wait_ready()

    def measure(self):
        small, large = self.torch.run(1)
        rates = {"PyTorch 256^3": small, "PyTorch 1024^3": large}
        if self.faer:
            rates["faer 256^3 on each thread"] = self.faer.ask(f"rate {RATE_MILLISECONDS}")
        return {"products_gflops": rates}

    def close(self):
        for program in filter(None, (self.torch, self.faer)):
            program.close()


def shares_of(names, setting, m, rounds):
    """Of each program: operations / median time / best product rate, round by round."""
    counts = operations(setting, m)
    rows = []
    for name in names:
        if "back-propagation" in name:
            kinds = {"back_propagation": counts.back_propagation}
        elif name == OURS_WITHOUT_X or name in WITHOUT_X:
            kinds = {"own": counts.own_without_x}
        else:
            kinds = {"dense": counts.dense, "own": counts.own}
        row = {"program": name}
        for kind, count in kinds.items():
            shares = [
                count / (statistics.median(r["milliseconds"][name]) / 1e3) / (max(r["products_gflops"].values()) * 1e9)
                for r in rounds
            ]
            row[kind] = {"operations": count, "share": statistics.median(shares), "range": [min(shares), max(shares)]}
        rows.append(row)
    return rows


def show_shares(rows):
    print("\n| share of the product rate | GFLOP | share | range | GFLOP, our form | share | range |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        cells = []
        for kind in ("dense", "own"):
            found = row.get(kind) or (row.get("back_propagation") if kind == "dense" else None)
            cells += ["-"] * 3 if found is None else [
                f"{found['operations'] / 1e9:.2f}", f"{100 * found['share']:.0f} %",
                f"{100 * found['range'][0]:.0f} - {100 * found['range'][1]:.0f} %",
            ]
        print(f"| {row['program']} | {' | '.join(cells)} |")


def main():
    arguments = parse()
    before = environment(arguments.python)
    names = ("network", "shape", "widths", "feature", "batch_size", "threads")
    options = [part for name in names for part in ("--" + name.replace("_", "-"), str(getattr(arguments, name)))]
    if not arguments.without_check:
        command = [arguments.python, HERE / "check.py", *options]
        command += [] if arguments.without_ours else ["--ours", arguments.ours]
        command += ["--compiled"] if "compiled" in arguments.rivals else []
        command += ["--without-x"] if arguments.without_x else []
        subprocess.run(command, check=True)
    programs, skipped = start(commands_of(arguments, options))
    rates = Rates(arguments)

    names = [p.name for p in programs]
    reference = "back-propagation" if arguments.without_ours and "back-propagation" in names else names[0]
    warm_up = 3 if arguments.network == "mlp" else 1
    rounds = measure(programs, arguments.rounds, arguments.steps, warm_up, rates.measure)
    for program in (*programs, rates):
        program.close()
    rows = summarize(names, reference, rounds)
    network = DESCRIPTIONS[arguments.network].format(arguments.widths)
    maps = "" if arguments.network == "mlp" else f" on {arguments.shape}, feature {arguments.feature}"
    show(f"{network}{maps}, batch {arguments.batch_size}, {arguments.threads} threads; {arguments.rounds} rounds of "
         f"{arguments.steps} steps; ratio = {reference} / program, round by round", rows)
    for name, why in skipped.items():
        print(f"\nskipped {name}: {why}")
    pairs = [name for name in names if name == OURS_WITHOUT_X or name in WITHOUT_X]
    rows_without_x = summarize(pairs, pairs[0], rounds) if len(pairs) > 1 else []
    if rows_without_x:
        show(f"without the X term: ratio = {pairs[0]} / program", rows_without_x)
    shares = shares_of(names, arguments.setting, arguments.batch_size, rounds) if arguments.setting.dense else []
    if shares:
        show_shares(shares)
    print()
    for name in rounds[0]["products_gflops"]:
        found = [r["products_gflops"][name] for r in rounds]
        print(f"product {name}, float32: {min(found):.0f} - {max(found):.0f} GFLOP/s, "
              f"median {statistics.median(found):.0f}")
    if arguments.json:
        keys = ("network", "shape", "widths", "feature", "batch_size", "threads", "steps")
        shape = {key: getattr(arguments, key) for key in keys}
        content = {"environment": before, **shape, "reference": reference, "skipped": skipped, "summary": rows,
                   "summary_without_x": rows_without_x, "shares": shares}
        arguments.json.write_text(json.dumps({**content, "rounds": rounds}) + "\n")


if __name__ == "__main__":
    main()
