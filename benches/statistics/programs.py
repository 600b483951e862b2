"""Permutation tests of biased HSIC against which `hsic test` is timed; README.md says what each is.

`python programs.py NAME X.npy Y.npy ...` speaks the line protocol of `benches/programs/src/bin/permutation.rs`: prints `ready`, then
answers `run N` with N times of a test in milliseconds, `result` with statistic and p-value, and `sums N` with the
permuted statistics of N fixed orders. Kernels and their widths are part of a test.
"""

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

PROGRAMS = ("numpy", "numpy-tuned", "numpy-low-rank", "hyppo")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=PROGRAMS)
    parser.add_argument("x")
    parser.add_argument("y")
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measured", type=int, help="time so many permutations, and a third of them; scale to all")
    return parser.parse_args()


ARGUMENTS = parse()
# Before NumPy is loaded. A processor forced upon OpenBLAS would take its fast kernels away. The programs that gather
# have products of vectors only, which OpenBLAS's threads make slower: the tuned one has threads of its own.
for forced in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(forced, None)
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1" if ARGUMENTS.name in ("numpy", "numpy-tuned") else str(ARGUMENTS.threads)

import numpy as np  # noqa: E402

CACHE_BYTES = 1 << 20  # of the rows that one chunk gathers: they stay in a core's own cache
RESIDUAL = 2e-7  # of the low-rank factors: mean of the diagonal that they leave; HSIC is then right to some 1e-7
COLUMNS = 256  # of the low-rank program's products
SEED = 1


# ---- kernels ----------------------------------------------------------------------------------


def squared_distances(v):
    v = v - v.mean(0)
    squares = (v * v).sum(1)
    d = v @ v.T
    d *= -2
    d += squares[:, None]
    d += squares[None, :]
    np.maximum(d, 0, out=d)
    np.fill_diagonal(d, 0)
    return d


def median_squared_width(d):
    """The median of the positive distances of pairs, squared; of an even number the mean of the middle two."""
    pairs = np.concatenate([d[i, i + 1 :] for i in range(len(d) - 1)])
    pairs = pairs[pairs > 0]
    low, high = (len(pairs) - 1) // 2, len(pairs) // 2
    pairs.partition([low, high])
    return ((pairs[low] ** 0.5 + pairs[high] ** 0.5) / 2) ** 2


def median_kernel(v):
    """exp(-|x - y|^2 / (2 w^2)), w the median distance."""
    d = squared_distances(v)
    d *= -0.5 / median_squared_width(d)
    return np.exp(d, out=d)


def centered(k):
    rows = k.mean(1)
    k -= rows[:, None]
    k -= (rows - rows.mean())[None, :]
    return k


# ---- tests ------------------------------------------------------------------------------------


class Numpy:
    """Float64. Both matrices centered once; a permuted statistic is the sum of Kc o L[p][:, p], by chunks of rows whose
    gathered entries stay in the cache, each a product of BLAS."""

    def prepare(self, x, y):
        self.k, self.l = centered(median_kernel(x)), centered(median_kernel(y))

    def sum(self, order):
        n, total = len(order), 0.0
        step = max(1, CACHE_BYTES // (self.l.itemsize * n))
        for start in range(0, n, step):
            rows = self.l[order[start : start + step]]
            moved = rows.take(order, axis=1, mode="clip")
            total += np.dot(self.k[start : start + step].ravel(), moved.ravel())
        return total

    def sums(self, orders):
        return [self.sum(order) for order in orders]

    def observed(self):
        return float(np.dot(self.k.ravel(), self.l.ravel()))

    def test(self, x, y, permutations):
        """Statistic (1/n^2) and p-value."""
        self.prepare(x, y)
        observed = self.observed()
        generator = np.random.default_rng(SEED)
        sums = np.array(self.sums(generator.permutation(len(x)) for _ in range(permutations)))
        reached = np.count_nonzero(sums >= observed * (1 - 1e-9))
        return observed / len(x) ** 2, (1 + reached) / (1 + permutations)


class NumpyTuned(Numpy):
    """Permuted entries in float32, half of them for symmetry, permutations on threads of Python's (NumPy lets the
    interpreter's lock go)."""

    def prepare(self, x, y):
        super().prepare(x, y)
        self.exact = super().observed()
        self.l = self.l.astype(np.float32)
        n = len(x)
        self.step = max(1, CACHE_BYTES // (4 * n))
        self.panels = []
        for start in range(0, n, self.step):
            end = min(start + self.step, n)
            panel = self.k[start:end, start:].astype(np.float32)
            panel[:, end - start :] *= 2  # for the half that mirrors it
            self.panels.append(panel.ravel())
        self.k = None

    def observed(self):
        return self.exact

    def sum(self, order):
        total = 0.0
        for start, panel in zip(range(0, len(order), self.step), self.panels):
            moved = self.l[order[start : start + self.step]].take(order[start:], axis=1, mode="clip")
            total += float(np.dot(panel, moved.ravel()))
        return total

    def sums(self, orders):
        with ThreadPoolExecutor(ARGUMENTS.threads) as pool:
            return list(pool.map(self.sum, orders))


class NumpyLowRank(Numpy):
    """Kc = A A', Lc = B B' by Cholesky decomposition with pivots, stopped where the kernel's diagonal is used up to
    `RESIDUAL` (Fine and Scheinberg 2001); a permuted statistic is |A' B[p]|^2, many permutations in one product. What it
    takes is the kernels' numerical rank: little for few columns and wide kernels, all of n for many columns."""

    def prepare(self, x, y):
        self.a, self.b = (self.factor(v) for v in (x, y))

    @staticmethod
    def factor(v):
        v = v - v.mean(0)
        n, width = len(v), median_squared_width(squared_distances(v))
        squares = (v * v).sum(1)
        rows = np.empty((64, n))  # A': columns of the kernel, one a row
        left, rank = np.ones(n), 0
        while rank < n and left.mean() > RESIDUAL:
            pivot = int(left.argmax())
            column = np.exp((squares + squares[pivot] - 2 * (v @ v[pivot])) * (-0.5 / width))
            column -= rows[:rank, pivot] @ rows[:rank]
            if rank == len(rows):
                rows = np.concatenate([rows, np.empty_like(rows)])
            rows[rank] = column / left[pivot] ** 0.5
            left -= rows[rank] ** 2
            np.maximum(left, 0, out=left)
            rank += 1
        rows = rows[:rank]
        return rows - rows.mean(1, keepdims=True)

    def observed(self):
        return float(np.square(self.a @ self.b.T).sum())

    def sums(self, orders):
        thin, wide = sorted((self.a, self.b), key=len)
        at_a_time = max(1, COLUMNS // len(thin))
        thin, result, orders = np.ascontiguousarray(thin.T), [], list(orders)
        for start in range(0, len(orders), at_a_time):
            some = orders[start : start + at_a_time]
            moved = np.concatenate([thin[order] for order in some], axis=1)
            squares = np.square(wide @ moved).sum(0).reshape(len(some), -1)
            result.extend(squares.sum(1).tolist())
        return result


class Hyppo:
    """hyppo.independence.Hsic with the same kernels, really permuting (`auto=False`), in `threads` processes. Its biased
    statistic is the root of HSIC(x, y) / sqrt(HSIC(x, x) HSIC(y, y)): undone here."""

    def __init__(self):
        import hyppo.independence

        self.make = lambda: hyppo.independence.Hsic(compute_kernel=self.kernel, bias=True)
        small = np.random.default_rng(0).standard_normal((30, 2))
        self.test(small, small[:, :1], ARGUMENTS.threads)  # compiles, starts the processes

    @staticmethod
    def kernel(v):
        k = median_kernel(v)
        np.fill_diagonal(k, 1)
        return k

    def test(self, x, y, permutations):
        root, p_value = self.make().test(x, y, reps=permutations, workers=ARGUMENTS.threads, auto=False)
        norms = [np.square(centered(median_kernel(v))).sum() ** 0.5 for v in (x, y)] if self.checked else [0, 0]
        return root**2 * norms[0] * norms[1] / len(x) ** 2, p_value

    checked = False  # the norms are no part of a test


# ---- the line protocol ------------------------------------------------------------------------


def milliseconds(program, x, y, permutations):
    start = time.perf_counter()
    program.test(x, y, permutations)
    return (time.perf_counter() - start) * 1e3


def scaled(program, x, y):
    """Time of all permutations from those of fewer: a permutation costs the same each time, kernels once."""
    fewer = max(1, ARGUMENTS.measured // 3)
    short, long = (milliseconds(program, x, y, count) for count in (fewer, ARGUMENTS.measured))
    each = (long - short) / (ARGUMENTS.measured - fewer)
    return long + (ARGUMENTS.permutations - ARGUMENTS.measured) * each


def main():
    x, y = (np.load(path) for path in (ARGUMENTS.x, ARGUMENTS.y))
    makers = dict(zip(PROGRAMS, (Numpy, NumpyTuned, NumpyLowRank, Hyppo)))
    try:
        program = makers[ARGUMENTS.name]()
    except ImportError as why:
        print(f"unavailable: {why}", flush=True)
        return
    print("ready", flush=True)
    for line in sys.stdin:
        verb, *rest = line.split()
        if verb == "run":
            one = lambda: milliseconds(program, x, y, ARGUMENTS.permutations)
            if ARGUMENTS.measured:
                one = lambda: scaled(program, x, y)
            answer = [one() for _ in range(int(rest[0]))]
        elif verb == "result":
            program.checked = True
            answer = program.test(x, y, min(ARGUMENTS.permutations, ARGUMENTS.measured or ARGUMENTS.permutations))
            program.checked = False
        else:
            assert verb == "sums", line
            generator = np.random.default_rng(2)
            program.prepare(x, y)
            answer = [float(s) for s in program.sums(generator.permutation(len(x)) for _ in range(int(rest[0])))]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
