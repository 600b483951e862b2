"""What the package is held to, measured: `python benches/bars.py [NAME ...] [--data FOLDER] [--rounds N]`; -h has the names.

Rivals are timed in turns with ours, in one process; medians are told, and the load of the machine beside them. `loss` and `mnist`
need PyTorch, `hyppo` and `dcor` the packages of these names, `digits` scikit-learn; `mnist` reads MNIST's four files from
FOLDER/mnist (or HSIC_DATA/mnist).
"""

import argparse
import gzip
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

for forced in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    # A processor forced upon OpenBLAS would take its fast kernels away.
    os.environ.pop(forced, None)

import numpy as np  # noqa: E402

import hsic  # noqa: E402


def interleaved(rounds, warm=True, **works):
    """Medians in milliseconds of several works, one after another in each round; after one more round if `warm`."""
    times = {name: [] for name in works}
    for work in works.values() if warm else ():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(found) for name, found in times.items()}


def loss(arguments):
    """Forward and backward of a block's loss beside nHSIC by PyTorch's autograd, K_X and K_Y made once a batch in both."""
    import torch

    import hsic.torch

    for threads in (1, 2):
        torch.set_num_threads(threads)
        for rows, columns, dtype in ((128, 64, torch.float64), (256, 256, torch.float32), (256, 256, torch.float64)):
            generator = torch.Generator().manual_seed(0)
            y = torch.arange(rows) % 10
            x = torch.rand(rows, 784, generator=generator, dtype=dtype)
            z = (torch.randn(rows, columns, generator=generator, dtype=dtype) + y[:, None]).requires_grad_()
            one, center = torch.eye(rows, dtype=dtype), torch.eye(rows, dtype=dtype) - 1 / rows

            def normalized(v):
                products = v @ v.T
                squares = products.diagonal()
                k = torch.exp(-(squares[:, None] + squares - 2 * products).clamp_min(0) / (50 * v.shape[1]))
                k = center @ k @ center
                return torch.linalg.solve(k + 1e-5 * rows * one, k)

            with torch.no_grad():
                both = normalized(x) - 500 * normalized(torch.nn.functional.one_hot(y, 10).to(dtype))
            batch = hsic.torch.Batch(y, x, classes=10)

            def autograd():
                z.grad = None
                (normalized(z) * both.T).sum().backward()

            def ours():
                z.grad = None
                hsic.torch.local_loss(z, batch=batch).backward()

            def tiny():
                z.grad = None
                (z * z).sum().backward()

            found = interleaved(arguments.rounds, autograd=autograd, ours=ours, tiny=tiny)
            ours()
            gradient = z.grad.double()
            wide = z.detach().double().requires_grad_()
            exact = hsic.torch.Batch(y, x.double(), classes=10)
            hsic.torch.local_loss(wide, batch=exact).backward()
            error = float((gradient - wide.grad).abs().max() / wide.grad.abs().max())
            line = f"loss {rows} x {columns} {str(dtype)[6:]}, {threads} thread(s) of PyTorch: ours {found['ours']:.2f} ms, "
            line += f"autograd {found['autograd']:.2f} ms, ratio {found['ours'] / found['autograd']:.3f}"
            print(f"{line}, (z * z).sum() {found['tiny']:.2f} ms" + (f"; error {error:.1e}" if dtype == torch.float32 else ""))
            if dtype == torch.float64:
                print(f"  against autograd in double precision: {agreement(torch, hsic, rows, columns):.1e}")


def agreement(torch, hsic, rows, columns):
    """Largest difference of gradients, over the largest entry, from autograd in double precision."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(rows) % 10
    x = torch.rand(rows, 784, generator=generator, dtype=torch.float64)
    z = (torch.randn(rows, columns, generator=generator, dtype=torch.float64) + y[:, None]).requires_grad_()
    one, center = torch.eye(rows, dtype=torch.float64), torch.eye(rows, dtype=torch.float64) - 1 / rows

    def normalized(v):
        squares = (v * v).sum(1)
        k = torch.exp(-(squares[:, None] + squares - 2 * v @ v.T).clamp_min(0) / (50 * v.shape[1]))
        k = center @ k @ center
        return torch.linalg.solve(k + 1e-5 * rows * one, k)

    hot = torch.nn.functional.one_hot(y, 10).double()
    (wanted,) = torch.autograd.grad((normalized(z) * (normalized(x) - 500 * normalized(hot)).T).sum(), z)
    (found,) = torch.autograd.grad(hsic.torch.local_loss(z, y, x, classes=10), z)
    return float((found - wanted).abs().max() / wanted.abs().max())


def mnist_file(folder, name):
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            dimensions = data[3]
            shape = np.frombuffer(data, ">i4", dimensions, 4)
            return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    sys.exit(f"{folder / name} does not exist: expected MNIST's files there, --data FOLDER names the folder above")


def mnist(arguments):
    """The paper's net 784-256x6-10 by LocalTrainer, one epoch, unformatted."""
    import torch
    from torch import nn

    from hsic.torch import LocalTrainer

    folder = arguments.data / "mnist"
    parts = {}
    for part in ("train", "t10k"):
        images = torch.from_numpy(mnist_file(folder, f"{part}-images-idx3-ubyte").reshape(-1, 784) / np.float32(255))
        parts[part] = images, torch.from_numpy(mnist_file(folder, f"{part}-labels-idx1-ubyte").astype(np.int64))
    found = []
    for seed in arguments.seeds:
        torch.manual_seed(seed)
        widths = [784] + [256] * 6 + [10]
        layers = []
        for inputs, outputs in zip(widths, widths[1:]):
            layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs, affine=False), nn.ReLU()]
        train, test = (torch.utils.data.TensorDataset(*parts[part]) for part in ("train", "t10k"))
        if arguments.validate:
            # To choose a rate: the last 10,000 training rows judge.
            rows = torch.arange(len(train))
            train, test = (torch.utils.data.Subset(train, part.tolist()) for part in (rows[:-10_000], rows[-10_000:]))
        loader = torch.utils.data.DataLoader(train, batch_size=256, shuffle=True)
        trainer = LocalTrainer(
            nn.Sequential(*layers),
            lambda p: torch.optim.SGD(p, lr=arguments.rate),
            scheduler=lambda own: torch.optim.lr_scheduler.CosineAnnealingLR(own, T_max=len(loader)),
        )
        start = time.perf_counter()
        trainer.fit(loader, epochs=1)
        took = time.perf_counter() - start
        found.append(trainer.score(torch.utils.data.DataLoader(test, batch_size=1000)))
        print(f"mnist seed {seed}: {found[-1]:.4f} after 1 epoch in {took:.1f} s", flush=True)
    print(f"mnist mean of {len(found)} seeds: {statistics.mean(found):.4f}")


def hyppo(arguments):
    """A permutation test of 1,000 rows with 1,000 permutations beside hyppo, as its users call it."""
    from hyppo.independence import Hsic

    draw = np.random.default_rng(0)
    x = draw.normal(size=(1000, 5))
    y = x[:, :1] ** 2 + draw.normal(size=(1000, 1))

    def theirs(rows=1000, reps=1000):
        Hsic().test(x[:rows], y[:rows], reps=reps, workers=2, auto=False)

    def ours():
        hsic.test(x, y, permutations=1000, n_jobs=2)

    theirs(50, 10)  # compiles
    ours()
    found = interleaved(max(1, arguments.rounds // 50), warm=False, ours=ours, hyppo=theirs)
    print(f"test of 1,000 rows, 1,000 permutations, 2 threads: ours {found['ours']:.0f} ms, hyppo {found['hyppo']:.0f} ms, "
          f"1/{found['hyppo'] / found['ours']:.0f}")


def dcor(arguments):
    """The permutation test beside that of distance covariance, as dcor's users call it."""
    import warnings

    from dcor.independence import distance_covariance_test

    draw = np.random.default_rng(0)
    x = draw.normal(size=(1000, 5))
    y = x[:, :1] ** 2 + draw.normal(size=(1000, 1))

    def theirs():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            distance_covariance_test(x, y, num_resamples=1000, random_state=0)

    ours = lambda: hsic.test(x, y, permutations=1000, n_jobs=2)  # noqa: E731
    ours()
    found = interleaved(max(1, arguments.rounds // 50), warm=False, ours=ours, dcor=theirs)
    print(f"test of 1,000 rows, 1,000 permutations: ours on 2 threads {found['ours']:.0f} ms, dcor {found['dcor']:.0f} ms, "
          f"1/{found['dcor'] / found['ours']:.0f}")


def digits(arguments):
    """Estimators with their defaults on scikit-learn's digits, five folds, beside back-propagation by scikit-learn."""
    import warnings

    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from hsic.sklearn import HSICClassifier

    warnings.simplefilter("ignore")
    x, y = load_digits(return_X_y=True)
    rivals = {
        "HSICClassifier()": HSICClassifier,
        "HSICClassifier(widths='64x2')": lambda: HSICClassifier(widths="64x2"),
        "StandardScaler, MLPClassifier()": lambda: make_pipeline(StandardScaler(), MLPClassifier(random_state=0)),
    }
    scores, seconds = {name: [] for name in rivals}, {name: [] for name in rivals}
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(x, y):
        for name, make in rivals.items():
            start = time.perf_counter()
            model = make().fit(x[train], y[train])
            seconds[name].append(time.perf_counter() - start)
            scores[name].append(model.score(x[test], y[test]))
    for name in rivals:
        print(f"digits, five folds, {name}: {100 * statistics.mean(scores[name]):.2f} %, {statistics.median(seconds[name]):.2f} s a fit")


def imports(arguments):
    """What `import hsic` takes beyond NumPy, a new process each time: on the clock, and of the processor, which no load adds to."""
    def milliseconds(code):
        script = "import time; clock, cpu = time.perf_counter(), time.process_time(); "
        script += f"{code}; print(time.perf_counter() - clock, time.process_time() - cpu)"
        told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        return [1e3 * float(seconds) for seconds in told.split()]

    milliseconds("import numpy, hsic")  # writes byte code
    both = [(milliseconds("import numpy"), milliseconds("import numpy, hsic")) for _ in range(max(3, arguments.rounds // 5))]
    compiled = sum(path.stat().st_size for path in Path(hsic.__file__).parent.glob("_hsic*.so"))
    for index, name in enumerate(("clock", "processor")):
        alone, whole = (statistics.median(times[which][index] for times in both) for which in (0, 1))
        print(f"import numpy {alone:.0f} ms, with hsic {whole:.0f} ms: {whole - alone:.0f} ms more ({name})")
    print(f"compiled part {compiled / 1e6:.1f} MB")


BARS = {"loss": loss, "mnist": mnist, "hyppo": hyppo, "dcor": dcor, "digits": digits, "import": imports}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bars", nargs="*", default=["all"], choices=[*BARS, "all"])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("HSIC_DATA", "data")))
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--validate", action="store_true", help="mnist: judge on held-out training rows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, hsic {hsic.__version__}, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}")
    for name, bar in BARS.items():
        if name in arguments.bars or "all" in arguments.bars:
            try:
                bar(arguments)
            except ImportError as why:
                print(f"{name}: skipped, {why}")
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
