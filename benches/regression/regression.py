#!/usr/bin/env python3
"""R2 on tables whose targets are values, the default command beside scikit-learn: README.md says what and how."""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TABLES = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman1": lambda: datasets.make_friedman1(n_samples=2000, n_features=10, noise=0.5, random_state=0),
}
OURS, BACKPROP, MLP, RIDGE = "hsic", "hsic, --method backprop", "MLPRegressor", "ridge"
TEST_FRACTION = 0.2
MASK = (1 << 64) - 1


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(TABLES), help="comma-separated [default: all]")
    parser.add_argument("--seeds", type=int, default=5, help="--split-seed 0 to N - 1 [default: 5]")
    parser.add_argument("--validation", type=float, default=0.0, help="judge on this share of the training part [default: 0]")
    parser.add_argument("--sized", action="store_true", help="batch and epochs by the rows, where the command has fixed ones")
    parser.add_argument("--flags", default="", help="further flags of both trainings of hsic")
    parser.add_argument("--hsic", help="the built command; without it the rivals alone")
    parser.add_argument("--rivals", type=Path, help="file of the rivals' R2, read if it is there, else written")
    parser.add_argument("--without-rivals", action="store_true", help="no rivals, for choosing settings")
    return parser.parse_args()


class Stream:
    """The program's random numbers (crates/hsic/src/random.rs): ChaCha with 8 rounds, keyed by seed, purpose and index."""

    def __init__(self, seed, purpose, index):
        name = 0xCBF29CE484222325
        for byte in purpose.encode():
            name = (name ^ byte) * 0x100000001B3 & MASK
        key = b"".join(part.to_bytes(8, "little") for part in (seed, index, name)) + bytes(8)
        self.key = [int.from_bytes(key[i : i + 4], "little") for i in range(0, 32, 4)]
        self.counter, self.words = 0, []

    def block(self):
        constants = [int.from_bytes(b"expand 32-byte k"[i : i + 4], "little") for i in range(0, 16, 4)]
        start = constants + self.key + [self.counter & 0xFFFFFFFF, self.counter >> 32, 0, 0]
        state = list(start)

        def turn(a, b, c, d):
            for to, by, at, shift in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                state[to] = (state[to] + state[by]) & 0xFFFFFFFF
                mixed = state[at] ^ state[to]
                state[at] = (mixed << shift | mixed >> (32 - shift)) & 0xFFFFFFFF

        for _ in range(4):
            for i in range(4):
                turn(i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                turn(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        self.counter += 1
        self.words = [(a + b) & 0xFFFFFFFF for a, b in zip(state, start)]

    def number(self):
        if not self.words:
            self.block()
        low, high = self.words[:2]
        del self.words[:2]
        return high << 32 | low

    def below(self, n):
        while True:
            product = self.number() * n
            if product & MASK >= (MASK + 1 - n) % n:
                return product >> 64

    def shuffle(self, items):
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]


def divided(rows, seed, validation):
    """Training rows and rows that judge, as the program draws them where targets are values (dataset/parts.rs)."""
    order = list(range(rows))
    Stream(seed, "table-split", 0).shuffle(order)
    tested = round(TEST_FRACTION * rows)
    train, test = order[tested:], order[:tested]
    Stream(seed, "table-order", 0).shuffle(train)
    Stream(seed, "table-order", 1).shuffle(test)
    if validation == 0:
        return train, test
    order = list(range(len(train)))
    Stream(seed, "validation", 0).shuffle(order)
    held = int(validation * len(train) + 0.5)
    return [train[i] for i in sorted(order[held:])], [train[i] for i in sorted(order[:held])]


def rivals(x, y, train, test, seed):
    """R2 of the rivals, chosen by cross-validation on the training rows."""
    network = MLPRegressor(random_state=seed, max_iter=1000)
    scaled = TransformedTargetRegressor(make_pipeline(StandardScaler(), network), transformer=StandardScaler())
    name = "regressor__mlpregressor__"
    grid = {f"{name}hidden_layer_sizes": [(100,), (100, 100)], f"{name}alpha": [1e-4, 1e-2, 1.0, 10.0]}
    mlp = GridSearchCV(scaled, grid, cv=3).fit(x[train], y[train])
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15))).fit(x[train], y[train])
    return {MLP: r2_score(y[test], mlp.predict(x[test])), RIDGE: r2_score(y[test], ridge.predict(x[test]))}


def said(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout)


def ours(arguments, folder, name, x, y, train, test, seed):
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([f"x{column}" for column in range(x.shape[1])] + ["y"])
        rows.writerows([repr(float(value)) for value in row] + [repr(float(target))] for row, target in zip(x, y))
    drawn = ["--split-seed", seed] + (["--validation", arguments.validation] if arguments.validation else [])
    if arguments.sized:
        batch = max(2, min(256, len(train) // 8))
        drawn += ["--batch-size", batch, "--epochs", max(5, -(-300 // (len(train) // batch)))]
    found = {}
    for which, method in ((OURS, []), (BACKPROP, ["--method", "backprop"])):
        run = folder / f"{name}-{seed}-{len(found)}"
        flags = ["--threads", 1, "--quiet", "--json", "--run", run, *method, *arguments.flags.split()]
        summary = said([arguments.hsic, "train", "--dataset", path, *drawn, *flags])
        # The rows that judged are those that are drawn here: the mean of the training rows misses them by as much.
        baseline = float(np.sqrt(np.mean((y[test] - y[train].mean()) ** 2)))
        assert abs(summary["baseline_rmse"] / baseline - 1) < 1e-9, (summary["baseline_rmse"], baseline)
        found[which] = summary["test_r2"]
    return found


def main():
    arguments = parse()
    warnings.simplefilter("ignore", ConvergenceWarning)
    known = json.loads(arguments.rivals.read_text()) if arguments.rivals and arguments.rivals.exists() else {}
    print(f"| table | {OURS} | {BACKPROP} | {MLP} | {RIDGE} |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.tables.split(","):
            x, y = TABLES[name]()
            each = []
            for seed in range(arguments.seeds):
                train, test = divided(len(y), seed, arguments.validation)
                key = f"{name} {seed} {arguments.validation}"
                if key not in known and not arguments.without_rivals:
                    known[key] = rivals(x, y, train, test, seed)
                own = ours(arguments, Path(folder), name, x, y, train, test, seed) if arguments.hsic else {}
                each.append({**own, **known.get(key, {})})
                if arguments.rivals:
                    arguments.rivals.write_text(json.dumps(known, indent=1) + "\n")
            mean = lambda which: f"{statistics.mean(one[which] for one in each):.3f}" if which in each[0] else ""
            print(f"| {name} | {' | '.join(mean(which) for which in (OURS, BACKPROP, MLP, RIDGE))} |", flush=True)


if __name__ == "__main__":
    main()
