"""Measures of dependence and tests of independence."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Union, cast

import numpy as np

from . import _hsic
from ._tables import Table, pair, table

Kernel = Literal["gaussian", "laplacian", "linear", "cosine", "delta"]
Estimator = Literal["nhsic", "hsic-biased", "hsic-biased-m1", "hsic-unbiased", "cka", "cka-debiased"]
Width = Union[float, Literal["median"]]
if TYPE_CHECKING:
    # NumPy loads its generators when they are asked for, which takes longer than all of this package.
    Seed = Union[int, np.integer, np.random.Generator, np.random.RandomState]

_WIDE = ("gaussian", "laplacian")


class _Result:
    """What results have in common."""

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, as the command's `--json` has them."""
        return asdict(cast(Any, self))

    def _repr_html_(self) -> str:
        from html import escape

        cells = "".join(f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(_told(value))}</td></tr>"
                        for name, value in self.to_dict().items())
        return f"<table>{cells}</table>"


def _told(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


@dataclass(frozen=True)
class Dependence(_Result):
    """How strongly two tables depend on each other; `float(result)` is the value."""

    value: float
    estimator: str
    rows: int
    #: Width of the kernel, None for kernels without one.
    sigma_x: float | None
    sigma_y: float | None
    kernel_x: str
    kernel_y: str

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class TestResult(_Result):
    """A test of independence. A small p-value speaks against independence."""

    # Not a class of tests, whatever its name makes pytest believe.
    __test__ = False

    #: Biased HSIC, 1/m^2.
    statistic: float
    #: Probability, under independence, of a statistic at least as large.
    p_value: float
    method: str
    #: How many permutations, None for the gamma approximation.
    permutations: int | None
    rows: int
    kernel_x: str
    kernel_y: str


def measure(
    x: Any,
    y: Any,
    *,
    estimator: Estimator = "nhsic",
    kernel: Kernel | None = None,
    kernel_y: Kernel | None = None,
    sigma: Width | None = None,
    sigma_y: Width | None = None,
    scale: bool | None = None,
    epsilon: float | None = None,
    n_jobs: int | None = None,
) -> Dependence:
    """Dependence between the paired rows of x and y, as by the command `hsic measure`.

    Args:
        x, y: one sample a row; a single column may have one dimension. Row i of both is sample i.
        estimator: nhsic, hsic-biased (1/m^2), hsic-biased-m1 (1/(m-1)^2), hsic-unbiased, cka or cka-debiased.
        kernel: gaussian exp(-|x - y|^2 / (2 sigma^2 d)), laplacian exp(-|x - y|_1 / (sigma d)), linear, cosine or delta (1 for
            equal rows), d the number of columns. By default gaussian for numbers and delta for words.
        sigma: width of a gaussian or laplacian kernel (5), or "median" of the table's own distances, never scaled.
        kernel_y, sigma_y: those of y, if they are not those of x.
        scale: False leaves d out of the kernels.
        epsilon: ridge of nhsic as a fraction of the rows (1e-5).
        n_jobs: threads; all cores by default. The result is the same for any number, to the last bit.

    >>> import numpy as np
    >>> x = np.arange(10.0)
    >>> result = measure(x, x ** 2, estimator="cka", sigma="median")
    >>> print(f"{float(result):.4f}", result.sigma_x)
    0.9378 3.0
    """
    _one_of("estimator", estimator, _hsic.estimators())
    if epsilon is not None and estimator != "nhsic":
        raise ValueError(f"epsilon = {epsilon}: expected not given for estimator = {estimator}, which does not read it; "
                         "read by nhsic")
    tables, kernels, names = _samples(x, y, kernel, kernel_y, sigma, sigma_y, scale, 5.0)
    found = _hsic.measure(*tables, kernels, estimator, 1e-5 if epsilon is None else float(epsilon), _threads(n_jobs))
    value, width_x, width_y = found
    return Dependence(value, estimator, len(tables[0]), width_x, width_y, *names)


def cka(
    x: Any,
    y: Any,
    *,
    debiased: bool = False,
    kernel: Kernel = "linear",
    sigma: Width | None = None,
    n_jobs: int | None = None,
) -> float:
    """Centered kernel alignment of two representations of the same samples (Kornblith et al. 2019).

    With `debiased` it is about 0 for independent samples of any size, and may be negative. `sigma` is the width of a gaussian
    or laplacian kernel, "median" by default.

    >>> import numpy as np
    >>> x = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 3.0], [4.0, 4.0]])
    >>> round(cka(x, 3 * x[:, ::-1]), 6)
    1.0
    """
    if sigma is None and kernel in _WIDE:
        sigma = "median"
    estimator: Estimator = "cka-debiased" if debiased else "cka"
    return measure(x, y, estimator=estimator, kernel=kernel, sigma=sigma, n_jobs=n_jobs).value


def test(
    x: Any,
    y: Any,
    *,
    kernel: Kernel | None = None,
    kernel_y: Kernel | None = None,
    sigma: Width | None = None,
    sigma_y: Width | None = None,
    scale: bool | None = None,
    method: Literal["permutation", "gamma"] = "permutation",
    permutations: int | None = None,
    random_state: Seed | None = None,
    n_jobs: int | None = None,
) -> TestResult:
    """Tests whether x and y are independent, on biased HSIC, as by the command `hsic test`.

    Args:
        x, y: as for `measure`.
        kernel, kernel_y, sigma, sigma_y, scale: as for `measure`, but with widths "median" by default.
        method: permutation has an exact level: p = (1 + permutations at least as dependent) / (permutations + 1). gamma
            (Gretton et al. 2007) is fast and approximate, and needs 6 rows.
        permutations: how many (1,000).
        random_state: a whole number (0), or a generator of NumPy's, from which one is drawn. Never the clock: the same call
            gives the same p-value, for any number of threads.
        n_jobs: threads; all cores by default.

    Ctrl-C ends a permutation test at once.

    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 50)
    >>> test(x, x ** 2, permutations=99).p_value
    0.01
    """
    _one_of("method", method, ["permutation", "gamma"])
    tables, kernels, names = _samples(x, y, kernel, kernel_y, sigma, sigma_y, scale, "median")
    if method == "gamma":
        for key, value in (("permutations", permutations), ("random_state", random_state)):
            if value is not None:
                raise ValueError(f"{key} = {value}: expected not given for method = gamma, which does not read it; read by "
                                 "permutation")
        statistic, p_value = _hsic.gamma_test(*tables, kernels, _threads(n_jobs))
        return TestResult(statistic, p_value, method, None, len(tables[0]), *names)
    permutations = 1000 if permutations is None else _whole("permutations", permutations, 1)
    statistic, p_value = _hsic.permutation_test(*tables, kernels, permutations, _seed(random_state), _threads(n_jobs))
    return TestResult(statistic, p_value, method, permutations, len(tables[0]), *names)


# A function that pytest must not take for a test.
setattr(test, "__test__", False)

_Named = tuple[str, Union[float, None], bool]


def _samples(
    x: Any,
    y: Any,
    kernel: Kernel | None,
    kernel_y: Kernel | None,
    sigma: Width | None,
    sigma_y: Width | None,
    scale: bool | None,
    usual: Width,
) -> tuple[tuple[Any, Any], tuple[_Named, _Named], tuple[str, str]]:
    """Both tables, both kernels as Rust takes them, and the kernels' names."""
    asked = {"kernel": kernel, "kernel_y": kernel if kernel_y is None else kernel_y}
    for key, name in asked.items():
        if name is not None:
            _one_of(key, name, _hsic.kernels())
    first = table("x", x, delta=asked["kernel"] == "delta")
    second = table("y", y, delta=asked["kernel_y"] == "delta")
    names = (_chosen("x", first, asked["kernel"]), _chosen("y", second, asked["kernel_y"]))
    wide = [name for name in names if name in _WIDE]
    for key, value in (("sigma", sigma), ("scale", scale)):
        if value is not None and not wide:
            raise ValueError(f"{key} = {value}: expected not given for kernel = {names[0]}, which does not read it; read by "
                             "gaussian, laplacian")
    if sigma_y is not None and names[1] not in _WIDE:
        raise ValueError(f"sigma_y = {sigma_y}: expected not given for kernel_y = {names[1]}, which does not read it; read by "
                         "gaussian, laplacian")
    sigma = usual if sigma is None else sigma
    widths = (_width("sigma", sigma), _width("sigma_y", sigma if sigma_y is None else sigma_y))
    if scale is not None and all(width is None for name, width in zip(names, widths) if name in _WIDE):
        raise ValueError(f"scale = {scale}: expected not given for sigma = median, which is never scaled")
    scaled = True if scale is None else bool(scale)
    kernels = ((names[0], widths[0], scaled), (names[1], widths[1], scaled))
    return pair(first, second), kernels, names


def _chosen(argument: str, sample: Table, asked: str | None) -> str:
    if not sample.words:
        return asked or "gaussian"
    if asked in (None, "delta"):
        return "delta"
    raise ValueError(f"{argument} has words: expected numbers for kernel = {asked}, or kernel = delta")


def _one_of(key: str, name: object, known: list[str]) -> None:
    if name in known:
        return
    from difflib import get_close_matches

    near = get_close_matches(str(name), known, 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise ValueError(f"{key} = {name}: expected one of {', '.join(known)}{hint}")


def _width(key: str, sigma: object) -> float | None:
    if sigma == "median":
        return None
    if isinstance(sigma, (int, float, np.number)) and not isinstance(sigma, bool) and 0 < float(sigma) < float("inf"):
        return float(sigma)
    raise ValueError(f"{key} = {sigma}: expected a finite number > 0, or 'median'")


def _whole(key: str, value: Any, least: int) -> int:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least:
        return int(value)
    raise ValueError(f"{key} = {value}: expected a whole number >= {least}")


def _threads(n_jobs: int | None) -> int:
    """0 for all cores."""
    if n_jobs is None or n_jobs == -1:
        return 0
    if isinstance(n_jobs, (int, np.integer)) and not isinstance(n_jobs, bool) and n_jobs >= 1:
        return int(n_jobs)
    raise ValueError(f"n_jobs = {n_jobs}: expected a whole number >= 1, or -1 or None for all cores")


def _seed(random_state: Seed | None) -> int:
    if random_state is None:
        return 0
    if "numpy.random" in sys.modules:
        if isinstance(random_state, np.random.Generator):
            return int(random_state.integers(0, 2**64, dtype=np.uint64))
        if isinstance(random_state, np.random.RandomState):
            return int(random_state.randint(0, 2**64, dtype=np.uint64))
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool) and 0 <= random_state < 2**64:
        return int(random_state)
    raise ValueError(f"random_state = {random_state}: expected a whole number from 0 to 2^64 - 1, or a generator of NumPy's")
