#!/usr/bin/env python3
"""Whether a long training stays as it is: its step, its memory and its open files in the last quarter against the second.

`steady.py --hsic PROGRAM [--steps 200000]` trains a small network on the digits that come with the program, in epochs of 200 steps.
The time of a step is that of an epoch over its steps, as `metrics.jsonl` has it, with the accuracies that are measured in between;
anonymous memory and open files are read from /proc twice a second (Linux). Prints medians by quarter and ends with 1 where the
last quarter lies above the second by more than 2 % (step), 1 MB (memory) or at all (files). Times mean something on a quiet machine
alone.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

EPOCH = 200


def looked_at(child):
    """Bytes of anonymous memory and open files of a process; None where it has ended."""
    try:
        status = Path(f"/proc/{child.pid}/status").read_text()
        files = len(os.listdir(f"/proc/{child.pid}/fd"))
    except OSError:
        return None
    found = re.search(r"RssAnon:\s*(\d+) kB", status)
    return (int(found[1]) * 1024, files) if found else None


def quarters(values):
    """The second and the last quarter."""
    n = len(values) // 4
    return values[n:2 * n], values[3 * n:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hsic", type=Path, required=True, help="the built program")
    parser.add_argument("--steps", type=int, default=200_000, help="steps in all, >= 1600 [default: 200000]")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    epochs = arguments.steps // EPOCH
    if epochs < 8:
        parser.error(f"--steps {arguments.steps}: expected {8 * EPOCH} or more, two epochs of {EPOCH} a quarter")
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        words = f"train --train-size {50 * EPOCH} --test-size 100 --batch-size 50 --widths 24x2 --format-epochs 0 --quiet --epochs {epochs}"
        command = [str(arguments.hsic.resolve()), *words.split(), "--threads", str(arguments.threads), "--run", str(run)]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        seen = []
        while child.poll() is None:
            seen.append(looked_at(child))
            time.sleep(0.5)
        if child.returncode:
            return child.returncode
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    ends = [record["seconds"] for record in records if record["type"] == "epoch"]
    steps = [1e3 * (after - before) / EPOCH for before, after in zip([0, *ends], ends)]
    seen = [found for found in seen if found]
    if len(seen) < 8:
        parser.error(f"the training was seen {len(seen)} times: expected more --steps")
    failed = False
    for name, values, unit, most in (
        ("step", steps, "ms", None),
        ("memory", [memory / 1e6 for memory, _ in seen], "MB", 1.0),
        ("open files", [files for _, files in seen], "", 0.0),
    ):
        second, last = map(median, quarters(values))
        above = last - second > (0.02 * second if most is None else most)
        failed |= above
        print(f"{name}: {second:.4g} {unit} in the second quarter, {last:.4g} in the last{': above the bound' if above else ''}")
    print(f"{epochs * EPOCH} steps, {len(seen)} looks")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
