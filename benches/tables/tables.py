#!/usr/bin/env python3
"""Accuracy on small tables, the default command beside scikit-learn: README.md says what and how."""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TABLES = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "breast-cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}
OURS, UNITS, MLP, LOGISTIC = "hsic", "hsic, units", "MLPClassifier", "LogisticRegression"


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(TABLES), help="comma-separated [default: all]")
    parser.add_argument("--seeds", type=int, default=5, help="--split-seed 0 to N - 1 [default: 5]")
    parser.add_argument("--validation", type=float, default=0.0, help="judge on this share of the training part [default: 0]")
    parser.add_argument("--flags", default="", help="further flags of hsic train")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once, a thread each [default: 2]")
    parser.add_argument("--hsic", required=True, help="the built command")
    parser.add_argument("--json", type=Path, help="file for every accuracy")
    return parser.parse_args()


def write(name, folder):
    """The table as CSV: a header, the columns, the class by its name in the last column."""
    bunch = TABLES[name]()
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([str(column).replace(" ", "_") for column in bunch.feature_names] + ["class"])
        for values, target in zip(bunch.data, bunch.target, strict=True):
            rows.writerow([repr(float(value)) for value in values] + [str(bunch.target_names[target])])
    return path, bunch


def said(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout)


def judged(arguments, folder, name, path, bunch, seed):
    """Accuracies in % of all four on the rows of one seed."""
    drawn = ["--split-seed", seed] + (["--validation", arguments.validation] if arguments.validation else [])
    run = folder / f"{name}-{seed}"
    flags = ["--threads", 1, "--quiet", "--json", "--run", run, *arguments.flags.split()]
    summary = said([arguments.hsic, "train", "--dataset", path, *drawn, *flags])
    rows = said([arguments.hsic, "data", "split", path, *drawn, "--json"])
    assert sum(map(sum, summary["confusion"]["counts"])) == len(rows["test"]), "the rows that judged are those that are told"
    layer = summary["format_accuracy"]
    found = {OURS: summary["test_accuracy"] if layer is None else layer, UNITS: summary["test_accuracy"]}
    for rival, model in ((MLP, MLPClassifier(random_state=seed)), (LOGISTIC, LogisticRegression())):
        pipeline = make_pipeline(StandardScaler(), model)
        pipeline.fit(bunch.data[rows["train"]], bunch.target[rows["train"]])
        found[rival] = float(np.mean(pipeline.predict(bunch.data[rows["test"]]) == bunch.target[rows["test"]]))
    return {which: 100 * accuracy for which, accuracy in found.items()}


def main():
    arguments = parse()
    names = arguments.tables.split(",")
    # The 200 iterations of MLPClassifier's defaults are not enough for some.
    warnings.simplefilter("ignore", ConvergenceWarning)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        tables = {name: write(name, folder) for name in names}
        jobs = [(name, seed) for name in names for seed in range(arguments.seeds)]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            found = list(pool.map(lambda job: judged(arguments, folder, job[0], *tables[job[0]], job[1]), jobs))
    which = (OURS, UNITS, MLP, LOGISTIC)
    means = {name: {} for name in names}
    for name in names:
        for column in which:
            means[name][column] = statistics.mean(one[column] for job, one in zip(jobs, found, strict=True) if job[0] == name)
    print(f"| table | {' | '.join(which)} |\n| --- |{' --- |' * len(which)}")
    for name in names:
        print(f"| {name} | {' | '.join(f'{means[name][column]:.2f}' for column in which)} |")
    mean = {column: statistics.mean(means[name][column] for name in names) for column in which}
    print(f"| mean | {' | '.join(f'{mean[column]:.2f}' for column in which)} |")
    if arguments.json:
        each = [{"table": name, "seed": seed, **one} for (name, seed), one in zip(jobs, found, strict=True)]
        arguments.json.write_text(json.dumps(each, indent=1) + "\n")


if __name__ == "__main__":
    main()
