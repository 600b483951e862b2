"""The HSIC bottleneck in JAX: a loss whose value and gradient are computed on the host, by the engine in Rust."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import numpy as np

from ._objective import Batch

__all__ = ["local_loss"]


def local_loss(
    z: Any,
    y: Any,
    x: Any = None,
    *,
    classes: int | None = None,
    sigma: float = 5.0,
    sigma_labels: float | None = None,
    beta: float = 500.0,
    epsilon: float = 1e-5,
    x_weight: float = 1.0,
) -> Any:
    """x_weight nHSIC(z, x) - beta nHSIC(z, y) of a block's activations of any shape; works under `jit` and `grad`.

    The arguments are those of `hsic.Batch`. Of y and x no gradient is taken. Under `jit` a fault in the data is an error of the
    callback, with the words of `hsic.Batch`.
    """
    options = (("classes", classes), ("sigma", sigma), ("sigma_labels", sigma_labels), ("beta", beta), ("epsilon", epsilon),
               ("x_weight", x_weight))
    return _loss(options)(z, y, x)


@lru_cache(maxsize=64)
def _loss(options: tuple[tuple[str, Any], ...]) -> Any:
    def on_host(z: Any, y: Any, x: Any) -> tuple[Any, Any]:
        z = np.asarray(z)
        flat = np.ascontiguousarray(z.reshape(len(z), -1), dtype=np.float64 if z.dtype == np.float64 else np.float32)
        batch = Batch(np.asarray(y), None if x is None else np.asarray(x), **dict(options))
        terms, gradient = batch.evaluate(flat)
        return np.asarray(terms.loss, dtype=z.dtype), gradient.astype(z.dtype, copy=False).reshape(z.shape)

    def both(z: Any, y: Any, x: Any) -> Any:
        shapes = jax.ShapeDtypeStruct((), z.dtype), jax.ShapeDtypeStruct(z.shape, z.dtype)
        return jax.pure_callback(on_host, shapes, z, y, x, vmap_method="sequential")

    @jax.custom_vjp
    def loss(z: Any, y: Any, x: Any) -> Any:
        return both(z, y, x)[0]

    def forward(z: Any, y: Any, x: Any) -> Any:
        value, gradient = both(z, y, x)
        return value, gradient

    def backward(gradient: Any, upstream: Any) -> Any:
        return upstream * gradient, None, None

    loss.defvjp(forward, backward)
    return loss
