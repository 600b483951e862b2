"""Programs that take turns, and what their times say: the measuring part of all comparisons under `benches/`.

Every program is a child process that answers `run N` with N times in milliseconds, or a command that is launched anew
each time and timed from start to end. In each round each program has one turn, alone, in an order rotated by one from
round to round. A ratio is taken inside a round, between medians; its spread over the rounds is what the machine's other
load does to it.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETTLE_SECONDS = 0.2  # the last program's spinning worker threads go to sleep
KILO = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss
UNITS = {"ms": 1.0, "s": 1e-3}


class Unavailable(Exception):
    """A program that says that it cannot run here."""


class Program:
    """A child that speaks the line protocol."""

    def __init__(self, name, command):
        self.name = name
        self.command = list(map(str, command))
        self.child = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self):
        line = self.child.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: ended with status {self.child.wait()} ({' '.join(self.command)})")
        return line.strip()

    def wait_ready(self):
        line = self.line()
        if line.startswith("unavailable: "):
            self.close()
            raise Unavailable(line.removeprefix("unavailable: "))
        if line != "ready":
            raise SystemExit(f"{self.name}: said {line!r}, expected 'ready'")

    def ask(self, line):
        """What the child answers, from JSON."""
        self.child.stdin.write(f"{line}\n")
        self.child.stdin.flush()
        return json.loads(self.line())

    def peak_bytes(self):
        """Most resident memory so far, of the program alone (Linux). What wait4 reports would be at least that of
        this process when it forked."""
        return peak_bytes(self.child.pid)

    def run(self, steps):
        return self.ask(f"run {steps}")

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def peak_bytes(process="self"):
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


class Launch:
    """A command that is timed whole, from before its process starts until it has ended.

    `made` keeps, for each launch, its peak resident bytes and what it printed. Linux counts in a child's peak what its
    parent held when it started it: a peak below that shows as that (`floor`)."""

    def __init__(self, name, command):
        self.name = name
        self.command = list(map(str, command))
        self.made = []
        self.floor = 0

    def run(self, times):
        result = []
        for _ in range(times):
            self.floor = max(self.floor, own_peak())
            start = time.perf_counter()
            child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            output = child.stdout.read()
            _, status, usage = os.wait4(child.pid, 0)
            result.append((time.perf_counter() - start) * 1e3)
            child.returncode = os.waitstatus_to_exitcode(status)
            child.stdout.close()
            if child.returncode:
                raise SystemExit(f"{self.name}: ended with status {child.returncode} ({' '.join(self.command)})")
            self.made.append({"peak_bytes": usage.ru_maxrss * KILO, "output": output.strip()})
        return result

    def wait_ready(self):
        """Once untimed: its files come into memory."""
        self.run(1)
        self.made.clear()

    def peak(self):
        """Median peak of the launches, in bytes, and whether it is only an upper bound."""
        middle = statistics.median(each["peak_bytes"] for each in self.made)
        return middle, middle <= self.floor

    def close(self):
        pass


def own_peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILO


def start(commands):
    """The programs that can run here, and why the others cannot."""
    programs, skipped = [], {}
    for name, command in commands.items():  # one after the other: starting takes all cores
        print(f"starting {name}", file=sys.stderr, flush=True)
        program = Program(name, command)
        try:
            program.wait_ready()
            programs.append(program)
        except Unavailable as why:
            skipped[name] = str(why)
            print(f"SKIPPED {name}: {why}", file=sys.stderr, flush=True)
    if not programs:
        raise SystemExit("no program can run here")
    return programs, skipped


def measure(programs, rounds, steps, warm_up, before=lambda: {}):
    """The times of all rounds. `before` measures something else before each round: keys for its record."""
    records = []
    for index in range(rounds):
        shift = index % len(programs)
        order = programs[shift:] + programs[:shift]
        record, times = before(), {}
        for program in order:
            time.sleep(SETTLE_SECONDS)
            if warm_up:
                program.run(warm_up)
            times[program.name] = program.run(steps)
        records.append({**record, "order": [p.name for p in order], "milliseconds": times})
        medians = ", ".join(f"{p.name} {statistics.median(times[p.name]):.2f}" for p in programs)
        print(f"round {index + 1}/{rounds}: {medians} ms", file=sys.stderr, flush=True)
    return records


def quartiles(values):
    """First quartile, median, third quartile."""
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


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


def show(title, rows, unit="ms", more=None):
    """A table in Markdown. `more`: by its heading, a further column's text for a row."""
    more = more or {}
    print(f"\n{title}\n")
    heads = ["program", f"median {unit}", "min", "quartiles", "ratio", "quartiles", "range", *more]
    print(f"| {' | '.join(heads)} |")
    print(f"| --- {'| ---: ' * (len(heads) - 1)}|")
    number = lambda milliseconds: digits(milliseconds * UNITS[unit])
    for row in rows:
        cells = [
            row["program"],
            number(row["median_milliseconds"]),
            number(row["minimum_milliseconds"]),
            f"{number(row['first_quartile_milliseconds'])} - {number(row['third_quartile_milliseconds'])}",
            f"{row['ratio']:.3f}",
            f"{row['ratio_quartiles'][0]:.3f} - {row['ratio_quartiles'][1]:.3f}",
            f"{row['ratio_range'][0]:.3f} - {row['ratio_range'][1]:.3f}",
            *(text(row) for text in more.values()),
        ]
        print(f"| {' | '.join(cells)} |")
    sys.stdout.flush()


def digits(value):
    """At least three digits that count."""
    return f"{value:.{3 if value < 1 else 2}f}"


def environment(python, packages=("torch",)):
    """What a reader of the numbers must know of the machine and of `packages`; warns if the machine is busy."""
    run = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.strip()
    cpu = "unknown"
    if os.path.exists("/proc/cpuinfo"):
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].split(":", 1)[1].strip() if models else cpu
    load = os.getloadavg()
    if load[0] > 0.5:
        print(f"warning: load average {load[0]:.1f}: other programs run, no ratio is to be trusted", file=sys.stderr)
    return {
        "commit": run("git", "-C", str(HERE), "describe", "--always", "--dirty"),
        "system": platform.platform(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        **{name: run(python, "-c", f"import {name}; print({name}.__version__)") for name in packages},
        "load_average": load,
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
