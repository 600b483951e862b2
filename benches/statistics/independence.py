#!/usr/bin/env python3
"""Times permutation tests of biased HSIC, ours against NumPy and hyppo, side by side: README.md says what and how."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "compare"))

from turns import Launch, environment, measure, show, start, summarize  # noqa: E402

RIVALS = ("numpy", "numpy-tuned", "numpy-low-rank", "hyppo")
WHOLE, PROCESS = "ours", "ours, from process start"
# Rows of the data; written by NumPy in the interpreter that has it.
WRITE = """
import sys, numpy as np
n, columns, noise, folder = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
generator = np.random.default_rng(n)
x = generator.standard_normal((n, 5))
draw = generator.standard_normal((n, columns))
y = np.stack([np.sin(x[:, j % 5]) * x[:, (j + 1) % 5] for j in range(columns)], axis=1) + noise * draw
np.save(f"{folder}/x.npy", x); np.save(f"{folder}/y.npy", y); np.save(f"{folder}/unrelated.npy", draw)
"""


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1000,5000,10000", help="rows, comma-separated [default: 1000,5000,10000]")
    parser.add_argument("--rounds", default="7,5,3", help="rounds of each size [default: 7,5,3]")
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--y-columns", type=int, default=1, help="columns of y; x has 5 [default: 1]")
    parser.add_argument("--noise", type=float, default=0.5, help="deviation of y's noise [default: 0.5]")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rivals", default=",".join(RIVALS), help="comma-separated [default: all]")
    parser.add_argument("--hyppo-whole-up-to", type=int, default=1000,
                        help="rows up to which hyppo does all permutations; above, some are timed and scaled [default: 1000]")
    parser.add_argument("--hyppo-measured", type=int, default=24, help="how many then [default: 24]")
    parser.add_argument("--ours", type=Path, required=True, help="the built example `permutation`")
    parser.add_argument("--hsic", type=Path, required=True, help="the built command")
    parser.add_argument("--python", default=sys.executable, help="interpreter with NumPy (and hyppo)")
    parser.add_argument("--json", type=Path, help="file for every time")
    arguments = parser.parse_args()
    arguments.sizes = [int(n) for n in arguments.sizes.split(",")]
    rounds = [int(n) for n in arguments.rounds.split(",")]
    if len(rounds) not in (1, len(arguments.sizes)) or min(rounds) < 1:
        parser.error(f"--rounds {arguments.rounds}: expected one number >= 1, or one for each of the sizes")
    arguments.rounds = rounds * len(arguments.sizes) if len(rounds) == 1 else rounds
    arguments.rivals = [name for name in arguments.rivals.split(",") if name]
    unknown = [name for name in arguments.rivals if name not in RIVALS]
    if unknown:
        parser.error(f"--rivals {','.join(unknown)}: expected some of {', '.join(RIVALS)}")
    return arguments


def commands_of(arguments, n, x, y):
    commands = {WHOLE: [arguments.ours, x, y, arguments.permutations, arguments.threads]}
    for name in arguments.rivals:
        command = [arguments.python, HERE / "programs.py", name, x, y]
        command += ["--permutations", arguments.permutations, "--threads", arguments.threads]
        if name == "hyppo" and n > arguments.hyppo_whole_up_to and arguments.permutations > arguments.hyppo_measured:
            command += ["--measured", arguments.hyppo_measured]
            name = f"hyppo (scaled from {arguments.hyppo_measured} permutations)"
        commands[name] = command
    return commands


def from_start(arguments, x, y):
    command = [arguments.hsic, "test", x, y, "--permutations", arguments.permutations, "--seed", 1]
    return Launch(PROCESS, [*command, "--threads", arguments.threads, "--json"])


def check(arguments, programs, launch):
    """All programs find the same statistic, and those that gather the same entries the same permuted ones."""
    launch.run(1)
    expected = json.loads(launch.made.pop()["output"])["statistic"]
    sums = {}
    for program in programs:
        statistic, p_value = program.ask("result")
        difference = abs(statistic / expected - 1)
        print(f"check: {program.name}: HSIC {statistic:.9e}, {difference:.1e} from ours, p {p_value:.4f}", file=sys.stderr)
        assert difference < 1e-6, f"{program.name}: {statistic}, ours {expected}"
        if program.name.startswith("numpy"):
            sums[program.name] = program.ask("sums 20")
    reference = sums.get("numpy")
    for name, found in sums.items() if reference else ():
        spread = statistics.stdev(reference)
        difference = max(abs(a - b) for a, b in zip(found, reference)) / spread
        print(f"check: {name}: permuted statistics {difference:.1e} of their deviation from NumPy's", file=sys.stderr)
        assert difference < 1e-2, f"{name}: permuted statistics differ by {difference} of their deviation"


def check_p_values(arguments, folder):
    """On unrelated tables p-values of ours and NumPy's agree as two draws of permutations do."""
    x, y = folder / "x.npy", folder / "unrelated.npy"
    programs, _ = start({name: command for name, command in commands_of(arguments, len(RIVALS), x, y).items()
                         if name in (WHOLE, "numpy")})
    found = [program.ask("result")[1] for program in programs]
    for program in programs:
        program.close()
    if len(found) < 2:
        return
    p = statistics.mean(found)
    deviation = (2 * max(p * (1 - p), 0.01) / arguments.permutations) ** 0.5
    print(f"check: p-values of unrelated tables: ours {found[0]:.4f}, NumPy {found[1]:.4f}", file=sys.stderr)
    assert abs(found[0] - found[1]) < 5 * deviation, f"p-values {found}, expected within 5 x {deviation:.4f}"


def main():
    arguments = parse()
    packages = ("numpy", *(["hyppo"] if "hyppo" in arguments.rivals else []))
    before, results = environment(arguments.python, packages), []
    for index, (n, rounds) in enumerate(zip(arguments.sizes, arguments.rounds)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write = [arguments.python, "-c", WRITE, n, arguments.y_columns, arguments.noise, folder]
            subprocess.run(list(map(str, write)), check=True)
            x, y = folder / "x.npy", folder / "y.npy"
            if index == 0:
                check_p_values(arguments, folder)
            programs, skipped = start(commands_of(arguments, n, x, y))
            launch = from_start(arguments, x, y)
            launch.wait_ready()
            check(arguments, programs, launch)
            programs.insert(1, launch)
            records = measure(programs, rounds, 1, warm_up=0)
            for program in programs:
                program.close()
        rows = summarize([program.name for program in programs], WHOLE, records)
        show(f"Permutation test of HSIC, {n:,} rows, x of 5 and y of {arguments.y_columns} columns, "
             f"{arguments.permutations:,} permutations, {arguments.threads} threads; {rounds} rounds; "
             f"ratio = {WHOLE} / program", rows, unit="s")
        for name, why in skipped.items():
            print(f"\nskipped {name}: {why}")
        results.append({"rows": n, "skipped": skipped, "summary": rows, "rounds": records})
        if arguments.json:  # after each size, so that what comes later loses nothing
            settings = {key: getattr(arguments, key) for key in ("permutations", "y_columns", "noise", "threads")}
            arguments.json.write_text(json.dumps({"environment": before, **settings, "results": results}) + "\n")


if __name__ == "__main__":
    main()
