"""Kernel dependence, independence tests and the HSIC bottleneck.

`measure`, `test` and `cka` take anything that NumPy makes an array of, with one sample a row, and frames of pandas and
polars. `local_loss_and_gradient` is the objective of the HSIC bottleneck for arrays, `hsic.torch` for PyTorch and
`hsic.jax` for JAX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._objective import Batch, HsicWarning, Terms, local_loss_and_gradient
from ._statistics import Dependence, TestResult, cka, measure, test

if TYPE_CHECKING:
    from . import jax as jax
    from . import torch as torch

__version__ = "0.1.0"
__all__ = [
    "Batch",
    "Dependence",
    "HsicWarning",
    "Terms",
    "TestResult",
    "cka",
    "local_loss_and_gradient",
    "measure",
    "test",
]


def __getattr__(name: str) -> Any:
    # These load the library that they are for, so they are loaded when they are asked for.
    if name in ("torch", "jax"):
        from importlib import import_module

        return import_module(f"hsic.{name}")
    raise AttributeError(f"module 'hsic' has no attribute {name!r}")
