"""Kernel dependence, independence tests and the HSIC bottleneck.

`measure`, `test` and `cka` take anything that NumPy makes an array of, with one sample a row, and frames of pandas and
polars. `local_loss_and_gradient` is the objective of the HSIC bottleneck for arrays, `hsic.torch` for PyTorch and
`hsic.jax` for JAX. `train`, `compare` and `read_run` are the trainer, `hsic.sklearn` has estimators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._objective import Batch, HsicWarning, Terms, local_loss_and_gradient
from ._statistics import Dependence, TestResult, cka, measure, test

if TYPE_CHECKING:
    from . import jax as jax
    from . import sklearn as sklearn
    from . import torch as torch
    from ._listening import Callback, EarlyStopping
    from ._runs import Figures, Run, read_run, runs
    from ._training import Comparison, compare, train, write_elsewhere

__version__ = "0.1.0"
__all__ = [
    "Batch",
    "Callback",
    "Comparison",
    "Dependence",
    "EarlyStopping",
    "Figures",
    "HsicWarning",
    "Run",
    "Terms",
    "TestResult",
    "cka",
    "compare",
    "local_loss_and_gradient",
    "measure",
    "read_run",
    "runs",
    "test",
    "train",
    "write_elsewhere",
]

#: Where names lie that are loaded when they are asked for: modules load the library that they are for.
_LATER = {
    "Callback": "_listening",
    "EarlyStopping": "_listening",
    "Figures": "_runs",
    "Run": "_runs",
    "read_run": "_runs",
    "runs": "_runs",
    "Comparison": "_training",
    "compare": "_training",
    "train": "_training",
    "write_elsewhere": "_training",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("jax", "sklearn", "torch"):
        return import_module(f"hsic.{name}")
    if name in _LATER:
        found = globals()[name] = getattr(import_module(f"hsic.{_LATER[name]}"), name)
        return found
    raise AttributeError(f"module 'hsic' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LATER, "jax", "sklearn", "torch"])
