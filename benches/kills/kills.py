#!/usr/bin/env python3
"""Kills trainings at random moments, takes them up, and holds what comes out against a training that was never stopped.

`kills.py --hsic PROGRAM --kills N` makes trials until so many kills were made in all; what a log (`--log FILE`) holds of earlier calls
counts. In a trial a training of one of CASES is killed one to four times (SIGKILL; one time in five SIGTERM, which saves a
checkpoint), each time within about the time that it takes, and taken up by `hsic train --resume`, or, where nothing was
there to take up, begun again by the same command. Each begin and each taking up draws how many threads it has. In a third of the
trials the run's folder has another name each time it is taken up; in another third, which may be the same, the program's clock jumps:
to another day at every begin, and again while it works. The weights, the softmax layer and the readout must then have the bytes of the
training that was never stopped.

Clocks jump by libfaketime (Debian's package faketime); without it all trials have the system's clock, which is said.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SMALL = "--train-size 300 --test-size 60 --batch-size 50 --epochs 3 --checkpoint-steps 2"
CASES = {
    **{method: f"--method {method} --widths 24x2 {SMALL}" for method in (
        "hsic", "hsic-local", "phsic", "alignment", "predsim", "mono-forward", "greedy", "forward-forward", "cwc-ff",
        "softhebb", "dni", "dfa", "node-perturbation", "feedback-alignment", "sign-symmetry",
        "difference-target-propagation", "backprop", "frozen")},
    "vgg": f"--model vgg --widths 4p,6p --method hsic-local {SMALL}",
    "resnet-conv": f"--model resnet-conv --widths 4x2 {SMALL}",
    "capsnet": f"--model capsnet --widths 8,2 --method backprop {SMALL}",
    "adamw": f"--widths 24x2 --optimizer adamw --dropout 0.2 {SMALL}",
    "gauss-seidel": f"--widths 24x2 --update gauss-seidel {SMALL}",
    "units": f"--widths 24x3 --unit 2 {SMALL}",
    "sigmas": f"--widths 24x2 --sigma 1,5 --format-epochs 2 {SMALL}",
    "format": f"--widths 24x2 --format-epochs 20 {SMALL}",
    "augmented": f"--model conv --widths 4 --flip true --shift 2 {SMALL}",
    "recipe": f"--recipe airbench --method hsic-local --widths 6 {SMALL}",
    "pilot": f"--widths 24x2 --pilot {SMALL}",
}
THREADS = (1, 2, 3)
# Days by which clocks are wrong: before 1970 and beyond 2038 too.
DAYS = (-30000, -400, -1, -0.01, 0, 0.01, 1, 400, 10000)
KEPT = ("weights.safetensors", "format.safetensors", "readout.json")


def digests(run):
    """The SHA-256 of what a training came to, by file; of members of several networks too."""
    found = {}
    for path in sorted(run.rglob("*")):
        if path.name in KEPT:
            found[str(path.relative_to(run))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def call(program, words, threads=2):
    return [str(program), "train", *words.split(), "--threads", str(threads), "--quiet"]


def done(command, clock=None):
    return subprocess.run(command, capture_output=True, text=True, env=clock and clock.environment)


def reference(program, case, folder):
    """What the training comes to when nobody stops it, and the seconds that it takes."""
    run, begin = folder / f"{case}-whole", time.monotonic()
    pilot = "--pilot" in CASES[case]
    finished = done(call(program, CASES[case]) if pilot else [*call(program, CASES[case]), "--run", str(run)])
    if finished.returncode:
        raise SystemExit(f"{case}: {finished.stderr}")
    return digests(run) if run.exists() else {}, time.monotonic() - begin


def faketime():
    """libfaketime's library, if it is installed."""
    return next((path for folder in ("/usr/lib", "/usr/local/lib") for path in Path(folder).glob("**/faketime/libfaketimeMT.so.1")), None)


class Clock:
    """A clock that jumps: the program reads its error from a file at every look."""

    def __init__(self, library, place, draw):
        self.place, self.draw = place, draw
        # The clock that never goes back on a real machine does in one trial of two.
        real = draw.choice("01")
        self.environment = {**os.environ, "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(place),
                            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": real}
        self.jump()

    def jump(self):
        aside = self.place.with_suffix(".new")
        aside.write_text(f"{self.draw.choice(DAYS):+}d\n")
        aside.rename(self.place)


def trial(program, case, expected, seconds, folder, draw, library):
    """What was done, and what is amiss (None: nothing)."""
    run = folder / "killed"
    did = {"kills": 0, "moves": 0, "jumps": 0}
    pilot = "--pilot" in CASES[case]
    moves = not pilot and draw.random() < 1 / 3
    clock = Clock(library, folder / "clock", draw) if library and draw.random() < 1 / 3 else None

    def begin():
        command = call(program, CASES[case], draw.choice(THREADS))
        return command if pilot else [*command, "--run", str(run)]

    def taken():
        """The command that goes on with what is there, under another name where this trial moves it."""
        nonlocal run
        if pilot:
            return begin()
        if not (run / "config.toml").exists():
            return [*begin(), "--force"]
        if moves:
            run = run.rename(folder / f"moved-{did['moves']}")
            did["moves"] += 1
        return [str(program), "train", "--resume", str(run), "--threads", str(draw.choice(THREADS)), "--quiet"]

    command = begin()
    for _ in range(draw.randint(1, 4)):
        child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                 env=clock and clock.environment)
        # Later in the run as often as early, and now and then not at all.
        first, then = sorted(draw.uniform(0, 1.2) * seconds for _ in range(2)) if clock else (0, draw.uniform(0, 1.2) * seconds)
        time.sleep(first)
        if clock:
            clock.jump()
            did["jumps"] += 1
        time.sleep(then - first)
        if child.poll() is None:
            child.send_signal(signal.SIGTERM if draw.random() < 0.2 else signal.SIGKILL)
            did["kills"] += 1
        said = child.communicate()[1]
        # A signal that comes before the program listens ends it as it ends any other.
        if child.returncode not in (0, -signal.SIGKILL, -signal.SIGTERM, 130):
            return did, f"{' '.join(command[1:])}: status {child.returncode}: {said.strip()}"
        command = taken()
    if pilot:
        left = [path.name for path in folder.iterdir() if path.name != "clock"]
        return did, f"a pilot left {left}" if left else None
    finished = done(command, clock)
    if finished.returncode:
        return did, f"{' '.join(command[1:])}: status {finished.returncode}: {finished.stderr.strip()}"
    if (found := digests(run)) != expected:
        return did, f"other bytes: {found} and not {expected}"
    parts = [str(path) for path in run.rglob("*.part")]
    return did, f"left {parts}" if parts else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hsic", type=Path, required=True, help="the built program")
    parser.add_argument("--kills", type=int, default=50, help="kills in all, those of the log among them [default: 50]")
    parser.add_argument("--log", type=Path, help="a line of JSON a trial; what it holds is not done again")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", default=",".join(CASES), help="comma-separated [default: all]")
    arguments = parser.parse_args()
    program, names = arguments.hsic.resolve(), arguments.cases.split(",")
    if unknown := [name for name in names if name not in CASES]:
        parser.error(f"--cases {','.join(unknown)}: expected some of {', '.join(CASES)}")
    log = arguments.log
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log and log.exists() else []
    kills, amiss = sum(line["kills"] for line in lines), [line for line in lines if line["amiss"]]
    index, wholes = len(lines), {}
    library = faketime()
    if not library:
        print("no clock jumps: libfaketime (Debian's package faketime) is not installed", flush=True)
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        while kills < arguments.kills:
            case = names[index % len(names)]
            if case not in wholes:
                wholes[case] = reference(program, case, place)
            expected, seconds = wholes[case]
            draw = random.Random(f"{arguments.seed} {index}")
            with tempfile.TemporaryDirectory(dir=place) as folder:
                did, told = trial(program, case, expected, seconds, Path(folder), draw, library)
            line = {"trial": index, "case": case, **did, "amiss": told}
            lines.append(line)
            if log:
                with log.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            if told:
                amiss.append(line)
                print(f"{case}, trial {index}: {told}", file=sys.stderr, flush=True)
            kills, index = kills + did["kills"], index + 1
    moves, jumps = (sum(line.get(key, 0) for line in lines) for key in ("moves", "jumps"))
    print(f"{kills} kills in {index} trials over {len(names)} cases, {moves} moves, {jumps} jumps of the clock: {len(amiss)} amiss")
    return 1 if amiss else 0


if __name__ == "__main__":
    sys.exit(main())
