#!/usr/bin/env python3
"""What a large batch costs, and what keeps it affordable: README.md says what is measured and how."""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cost
from figure import draw

FORMS = "exact,exact-x0,blocks:256,nystroem:128,nystroem:256,fourier:128,fourier:256"
COLUMNS = [
    "kind", "form", "batch_size", "seed", "samples", "epochs", "threads", "learning_rate", "steps",
    "milliseconds_per_step", "peak_memory_bytes", "unformatted_accuracy", "format_accuracy", "seconds", "date",
]
# What tells runs apart: a row with the same is not measured again.
KEY = COLUMNS[:8]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hsic", type=Path, required=True, help="the built command")
    parser.add_argument("--output", type=Path, default=Path("target/batch"), help="folder of table and figure")
    parser.add_argument("--quick", action="store_true", help="seconds: tiny sizes on the built-in digits")
    parser.add_argument("--data-dir", help="folder with MNIST [default: as for `hsic train`, HSIC_DATA]")
    parser.add_argument("--forms", default=None, help=f"texts of --approximation; -x0: without the X term [{FORMS}]")
    parser.add_argument("--batch-sizes", default=None, help="that are timed [64,128,...,4096]")
    parser.add_argument("--accuracy-batch-sizes", default=None, help="that are trained with [256,1024,4096]")
    parser.add_argument("--samples", type=int, default=None, help="training samples of a timed run [12288]")
    parser.add_argument("--epochs", type=int, default=None, help="of the runs for accuracy [2]")
    parser.add_argument("--seeds", type=int, default=None, help="of the runs for accuracy [3]")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--longest", type=float, default=200,
        help="leave out a run for accuracy that would take more seconds; one seed alone above a tenth of it [200]",
    )
    parser.add_argument("--tables-only", action="store_true", help="measure nothing, show runs.csv")
    arguments = parser.parse_args()
    quick = arguments.quick
    default = {
        "forms": "exact,exact-x0,blocks:16,nystroem:16,fourier:16" if quick else FORMS,
        "batch_sizes": "16,32,64,128" if quick else "64,128,256,512,1024,2048,4096",
        "accuracy_batch_sizes": "32,64" if quick else "256,1024,4096",
        "samples": 512 if quick else 12288,
        "epochs": 1 if quick else 2,
        "seeds": 1 if quick else 3,
    }
    for name, value in default.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    arguments.forms = arguments.forms.split(",")
    for name in ("batch_sizes", "accuracy_batch_sizes"):
        setattr(arguments, name, [int(size) for size in getattr(arguments, name).split(",")])
    # Blocks of the network of the README's results, or a small one.
    arguments.widths, arguments.hidden = ([784, 32, 32, 10], "32x2") if quick else ([784, *[256] * 6, 10], "256x6")
    arguments.output = arguments.output / "quick" if quick else arguments.output
    return arguments


def differs(form, m):
    """Whether the form is another one than exact at this batch size, and can be asked for."""
    name, number = cost.parse(form.removesuffix("-x0"))
    return name in ("exact", "fourier") or number < m


def rate(m):
    """Learning rate: the default at 256 rows, otherwise as the root of the rows (chosen on held-out training data)."""
    return 2e-3 * (m / 256) ** 0.5


class Table:
    """Every run so far, in a CSV that is written after each of them."""

    def __init__(self, path):
        self.path, self.rows = path, []
        if path.exists():
            with path.open(newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if None not in row.values()]

    def find(self, key):
        return next((row for row in self.rows if all(row[name] == str(key[name]) for name in KEY)), None)

    def add(self, row):
        self.rows.append({name: "" if row.get(name) is None else str(row[name]) for name in COLUMNS})
        # Whole or not at all, so that a run that is interrupted loses nothing.
        aside = self.path.with_suffix(".part")
        with aside.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(aside, self.path)


def train(arguments, key, more):
    """One run of the command, from its JSON summary to a row."""
    form = key["form"].removesuffix("-x0")
    with tempfile.TemporaryDirectory(dir=arguments.output) as folder:
        command = [arguments.hsic, "train", "--quiet", "--json", "--run", Path(folder) / "run", *more]
        command += ["--dataset", "digits" if arguments.quick else "mnist", "--widths", arguments.hidden]
        command += ["--data-dir", arguments.data_dir] if arguments.data_dir else []
        command += ["--approximation", form, "--x-weight", 0 if form != key["form"] else 1]
        for name in ("batch_size", "seed", "epochs", "threads", "learning_rate"):
            command += ["--" + name.replace("_", "-"), key[name]]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()}")
    summary = json.loads(done.stdout)
    return {
        **key, **{name: summary[name] for name in COLUMNS if name in summary and name not in key},
        "unformatted_accuracy": summary["test_accuracy"], "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def measure(arguments, table):
    """Times first: they say how long the runs for accuracy will take."""
    skipped = []
    base = {"threads": arguments.threads}
    for m in arguments.batch_sizes:
        for form in (form for form in arguments.forms if differs(form, m)):
            key = {**base, "kind": "time", "form": form, "batch_size": m, "seed": 1, "samples": arguments.samples,
                   "epochs": 1, "learning_rate": 2e-3}
            if table.find(key) is None:
                more = ["--train-size", arguments.samples, "--test-size", 200 if arguments.quick else 2000]
                table.add(train(arguments, key, more))
                say(table.rows[-1])
    rows = 512 if arguments.quick else 54000
    for m in arguments.accuracy_batch_sizes:
        for form in (form for form in arguments.forms if differs(form, m)):
            expected = expected_seconds(table, arguments, form, m) * (rows // m + 1) * arguments.epochs
            if expected > arguments.longest:
                skipped.append(f"{form} at {m} rows (about {expected:.0f} s)")
                continue
            seeds = arguments.seeds if expected <= arguments.longest / 10 else 1
            for seed in range(1, seeds + 1):
                key = {**base, "kind": "accuracy", "form": form, "batch_size": m, "seed": seed, "samples": rows,
                       "epochs": arguments.epochs, "learning_rate": rate(m)}
                if table.find(key) is None:
                    more = ["--validation", 0.1, "--format-epochs", 2]
                    more += ["--train-size", rows] if arguments.quick else []
                    table.add(train(arguments, key, more))
                    say(table.rows[-1])
    return skipped


def expected_seconds(table, arguments, form, m):
    """Of a step, by the timed run of this batch size, if there is one."""
    found = [row for row in table.rows if row["kind"] == "time" and (row["form"], row["batch_size"]) == (form, str(m))
             and row["threads"] == str(arguments.threads)]
    return float(found[-1]["milliseconds_per_step"]) / 1e3 if found else 0.0


def say(row):
    found = f", {row['format_accuracy']} ({row['unformatted_accuracy']} unformatted)"
    accuracy = found if row["kind"] == "accuracy" else ""
    milliseconds = float(row["milliseconds_per_step"])
    print(f"{row['kind']} {row['form']}, {row['batch_size']} rows: {milliseconds:.2f} ms{accuracy}",
          file=sys.stderr, flush=True)


def collect(arguments, table):
    """The runs that belong to these arguments: form -> m -> run, and form -> m -> [run]."""
    texts = ("kind", "form", "date")
    number = lambda row: {name: float(value) if value else None for name, value in row.items() if name not in texts}
    times, accuracies = {}, {}
    for row in table.rows:
        m = int(row["batch_size"])
        mine = row["threads"] == str(arguments.threads) and row["form"] in arguments.forms
        if mine and row["kind"] == "time" and row["samples"] == str(arguments.samples):
            times.setdefault(row["form"], {})[m] = number(row)
        elif mine and row["kind"] == "accuracy" and row["epochs"] == str(arguments.epochs):
            accuracies.setdefault(row["form"], {}).setdefault(m, []).append(number(row))
    order = {form: index for index, form in enumerate(arguments.forms)}
    return (dict(sorted(part.items(), key=lambda item: order[item[0]])) for part in (times, accuracies))


def count(number, thing):
    return f"{number} {thing}" + ("" if number == 1 else "s")


def tables(arguments, times, accuracies, skipped):
    """Markdown."""
    widths = arguments.widths
    network = f"{widths[0]}-{arguments.hidden}-{widths[-1]}, {count(arguments.threads, 'thread')}"
    sizes = sorted({m for runs in times.values() for m in runs})
    lines = [f"# Cost as the batch grows: {network}", ""]
    lines += [f"Milliseconds a step (median of a run on {arguments.samples} samples). Exponents: slope of log time, and "
              "of the counted operations of the whole step, against log rows over the upper half of the batch sizes.", ""]
    lines += ["| form | " + " | ".join(map(str, sizes)) + " | exponent | counted | GFLOP/s at the largest |"]
    lines += ["| --- |" + " ---: |" * (len(sizes) + 3)]
    show = lambda value, digits=2: "" if value is None else f"{value:.{digits}f}"
    for form, runs in times.items():
        plain, with_x = form.removesuffix("-x0"), not form.endswith("-x0")
        counts = {m: cost.step(plain, m, widths, with_x) for m in runs}
        measured = cost.exponent([(m, run["milliseconds_per_step"]) for m, run in runs.items()])
        largest = max(runs)
        speed = counts[largest] / runs[largest]["milliseconds_per_step"] / 1e6
        cells = [show(runs[m]["milliseconds_per_step"]) if m in runs else "" for m in sizes]
        cells += [show(measured), show(cost.exponent(counts.items())), f"{speed:.0f}"]
        lines += ["| " + " | ".join([form, *cells]) + " |"]
    plain = cost.exponent([(m, cost.plain_step(m, widths)) for m in sizes])
    lines += ["", "Counted plainly (4 m D^2 + 4 m^2 D + 5 m^3 a block, no symmetry used) the exact form has the exponent "
              f"{show(plain)}.", ""]
    lines += ["Peak memory of the process, MiB (data and evaluation included).", ""]
    lines += ["| form | " + " | ".join(map(str, sizes)) + " |", "| --- |" + " ---: |" * len(sizes)]
    for form, runs in times.items():
        cells = [show(runs[m]["peak_memory_bytes"] / 2**20, 0) if m in runs else "" for m in sizes]
        lines += ["| " + " | ".join([form, *cells]) + " |"]
    lines += ["", f"# Accuracy after {count(arguments.epochs, 'epoch')}, %", ""]
    lines += ["On a tenth of the training data, held out. A softmax layer on the frozen outputs: mean, range over seeds; "
              "in brackets the unformatted outputs, median over seeds. Learning rate 2e-3 sqrt(m / 256).", ""]
    trained = sorted({m for runs in accuracies.values() for m in runs})
    lines += ["| form | " + " | ".join(f"{m} rows | seconds of steps" for m in trained) + " |"]
    lines += ["| --- |" + " ---: |" * (2 * len(trained))]
    for form, runs in accuracies.items():
        cells = []
        for m in trained:
            if m not in runs:
                cells += ["", ""]
                continue
            values = [100 * run["format_accuracy"] for run in runs[m]]
            spread = f" ({min(values):.1f} - {max(values):.1f})" if len(values) > 1 else ""
            unformatted = 100 * statistics.median(run["unformatted_accuracy"] for run in runs[m])
            seconds = statistics.median(run["milliseconds_per_step"] * run["steps"] / 1e3 for run in runs[m])
            cells += [f"{statistics.mean(values):.2f}{spread} [{unformatted:.1f}]", show(seconds)]
        lines += ["| " + " | ".join([form, *cells]) + " |"]
    if skipped:
        lines += ["", "Left out as too long: " + ", ".join(skipped) + "."]
    return "\n".join(lines) + "\n"


def main():
    arguments = parse()
    arguments.output.mkdir(parents=True, exist_ok=True)
    table = Table(arguments.output / "runs.csv")
    load = os.getloadavg()[0]
    if load > 0.5 and not arguments.tables_only:
        print(f"warning: load average {load:.1f}: other programs run, no time is to be trusted", file=sys.stderr)
    skipped = [] if arguments.tables_only else measure(arguments, table)
    times, accuracies = collect(arguments, table)
    text = tables(arguments, times, accuracies, skipped)
    (arguments.output / "tables.md").write_text(text)
    print(text)
    widths = arguments.widths
    title = (f"{widths[0]}-{arguments.hidden}-{widths[-1]}, {count(arguments.threads, 'thread')}, "
             f"{count(arguments.epochs, 'epoch')}")
    print(draw(title, times, accuracies, arguments.output / "batch"), file=sys.stderr)


if __name__ == "__main__":
    main()
