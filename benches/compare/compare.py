#!/usr/bin/env python3
"""Times the Rust engine against PyTorch, side by side: README.md says what and how.

Every program is a child process that answers `run N` with N step times. In each round each program
has one turn, alone, in an order rotated by one from round to round. A ratio is taken inside a round,
between medians; its spread over the rounds is what the machine's other load does to it.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RIVALS = ["authors", "tuned", "closed-form", "batched", "back-propagation"]
SETTLE_SECONDS = 0.2  # the last program's spinning worker threads go to sleep
WARM_UP_STEPS = 3


class Program:
    """A child that speaks the line protocol."""

    def __init__(self, name, command):
        self.name = name
        self.command = command
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self):
        line = self.child.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: ended with status {self.child.wait()} ({' '.join(self.command)})")
        return line.strip()

    def wait_ready(self):
        line = self.line()
        if line != "ready":
            raise SystemExit(f"{self.name}: said {line!r}, expected 'ready'")

    def run(self, steps):
        self.child.stdin.write(f"run {steps}\n")
        self.child.stdin.flush()
        return json.loads(self.line())

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def quartiles(values):
    """First quartile, median, third quartile."""
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=30, help="timed steps of a turn")
    parser.add_argument("--widths", default="256x6", help="WIDTHxCOUNT of the hidden blocks")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rivals", default=",".join(RIVALS), help="comma-separated; also: batched-compiled")
    parser.add_argument("--compile", action="store_true", help="add batched-compiled (torch.compile; needs a C++ compiler)")
    parser.add_argument("--ours", type=Path, help="the built example `step`")
    parser.add_argument("--without-ours", action="store_true", help="PyTorch alone; ratios are to back-propagation")
    parser.add_argument("--python", default=sys.executable, help="interpreter with torch")
    parser.add_argument("--json", type=Path, help="file for every step time")
    arguments = parser.parse_args()
    arguments.rivals = [name for name in arguments.rivals.split(",") if name]
    if arguments.compile:
        arguments.rivals.append("batched-compiled")
    if not arguments.without_ours and arguments.ours is None:
        parser.error("--ours PATH or --without-ours is needed (run.sh builds ours and passes it)")
    if min(arguments.rounds, arguments.steps) < 1:
        parser.error("--rounds and --steps: expected at least 1")
    return arguments


def start(arguments):
    """All programs, the reference of the ratios first, and the measure of the machine's product rate."""
    shape = ["--widths", arguments.widths, "--batch-size", str(arguments.batch_size), "--threads", str(arguments.threads)]
    rivals = [arguments.python, str(HERE / "rivals.py")]
    subprocess.run([*rivals, "check", *shape], check=True)
    commands = {}
    if not arguments.without_ours:
        for schedule in ("parallel", "sequential"):
            command = [str(arguments.ours), *shape, "--schedule", schedule, "--method", "hsic"]
            commands[f"ours, {schedule}"] = command
    for name in arguments.rivals:
        commands[name] = [*rivals, name, *shape]
    programs = []
    for name, command in commands.items():  # one after the other: starting takes both cores
        print(f"starting {name}", file=sys.stderr)
        programs.append(Program(name, command))
        programs[-1].wait_ready()
    products = Program("products", [*rivals, "products", "--threads", str(arguments.threads)])
    products.wait_ready()
    return programs, products


def measure(programs, products, arguments):
    rounds = []
    for index in range(arguments.rounds):
        shift = index % len(programs)
        order = programs[shift:] + programs[:shift]
        rates, times = products.run(1), {}
        for program in order:
            time.sleep(SETTLE_SECONDS)
            program.run(WARM_UP_STEPS)
            times[program.name] = program.run(arguments.steps)
        rounds.append({"products_gflops": rates, "order": [p.name for p in order], "milliseconds": times})
        medians = ", ".join(f"{p.name} {statistics.median(times[p.name]):.2f}" for p in programs)
        print(f"round {index + 1}/{arguments.rounds}: {medians} ms; {rates[0]:.0f}, {rates[1]:.0f} GFLOP/s", file=sys.stderr)
    return rounds


def summarize(names, reference, rounds):
    """Rows of the table: times over all steps of all rounds, ratios of medians round by round."""
    rows = []
    for name in names:
        times = [t for r in rounds for t in r["milliseconds"][name]]
        medians = lambda r: statistics.median(r["milliseconds"][reference]) / statistics.median(r["milliseconds"][name])
        ratios = [medians(r) for r in rounds]
        low, middle, high = quartiles(times)
        ratio_low, ratio, ratio_high = quartiles(ratios)
        rows.append({
            "program": name,
            "median_milliseconds": middle,
            "minimum_milliseconds": min(times),
            "first_quartile_milliseconds": low,
            "third_quartile_milliseconds": high,
            "ratio": ratio,
            "ratio_quartiles": [ratio_low, ratio_high],
            "ratio_range": [min(ratios), max(ratios)],
        })
    return rows


def show(rows, reference, rounds, arguments):
    print(f"\n784-{arguments.widths}-10, batch {arguments.batch_size}, {arguments.threads} threads; "
          f"{arguments.rounds} rounds of {arguments.steps} steps; ratio = {reference} / program, round by round\n")
    print("| program | median ms | min | quartiles | ratio | quartiles | range |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        q = row["first_quartile_milliseconds"], row["third_quartile_milliseconds"]
        print(f"| {row['program']} | {row['median_milliseconds']:.2f} | {row['minimum_milliseconds']:.2f} "
              f"| {q[0]:.2f} - {q[1]:.2f} | {row['ratio']:.3f} "
              f"| {row['ratio_quartiles'][0]:.3f} - {row['ratio_quartiles'][1]:.3f} "
              f"| {row['ratio_range'][0]:.3f} - {row['ratio_range'][1]:.3f} |")
    for size, rates in zip((256, 1024), zip(*(r["products_gflops"] for r in rounds))):
        print(f"\nPyTorch product {size}^3, float32: {min(rates):.0f} - {max(rates):.0f} GFLOP/s, median {statistics.median(rates):.0f}", end="")
    print()


def environment(arguments):
    run = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.strip()
    cpu = "unknown"
    if os.path.exists("/proc/cpuinfo"):
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].split(":", 1)[1].strip() if models else cpu
    return {
        "commit": run("git", "-C", str(HERE), "describe", "--always", "--dirty"),
        "system": platform.platform(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "torch": run(arguments.python, "-c", "import torch; print(torch.__version__)"),
        "load_average": os.getloadavg(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def main():
    arguments = parse()
    before = environment(arguments)
    if before["load_average"][0] > 0.5:
        print(f"warning: load average {before['load_average'][0]:.1f}: other programs run, no ratio is to be trusted", file=sys.stderr)
    programs, products = start(arguments)
    names = [p.name for p in programs]
    reference = "back-propagation" if arguments.without_ours and "back-propagation" in names else names[0]
    rounds = measure(programs, products, arguments)
    for program in (*programs, products):
        program.close()
    rows = summarize(names, reference, rounds)
    show(rows, reference, rounds, arguments)
    if arguments.json:
        shape = {k: getattr(arguments, k) for k in ("widths", "batch_size", "threads", "rounds", "steps")}
        content = {"environment": before, **shape, "reference": reference, "summary": rows, "rounds": rounds}
        arguments.json.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
