"""The objective in JAX."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import hsic  # noqa: E402
from hsic.jax import local_loss  # noqa: E402


def test_value_and_gradient_are_those_for_arrays():
    draw = np.random.default_rng(0)
    y = np.arange(64) % 4
    z = (draw.normal(size=(64, 5, 2)) + y[:, None, None]).astype(np.float32)
    x = draw.uniform(size=(64, 7)).astype(np.float32)
    wanted = hsic.local_loss_and_gradient(z, y, x, classes=4, sigma=2.0)
    of = lambda z: local_loss(z, y, x, classes=4, sigma=2.0)
    for form in (jax.value_and_grad(of), jax.jit(jax.value_and_grad(of))):
        value, gradient = form(z)
        assert float(value) == np.float32(wanted[0]) and gradient.shape == z.shape
        assert np.array_equal(np.asarray(gradient), wanted[1])
    # Through what comes before it, and without x.
    w = draw.normal(size=(10, 3)).astype(np.float32)
    slope = jax.grad(lambda w: local_loss(z.reshape(64, 10) @ w, y, classes=4, sigma=1.0, epsilon=1e-2) * 2.0)(w)
    after = hsic.local_loss_and_gradient(z.reshape(64, 10) @ w, y, classes=4, sigma=1.0, epsilon=1e-2)[1]
    expected = 2.0 * z.reshape(64, 10).T @ after
    # Products in single precision, of other orders of sums; the ridge of 1e-2 amplifies them a hundredfold.
    assert np.abs(np.asarray(slope) - expected).max() < 1e-3 * np.abs(expected).max()
    with pytest.raises(Exception, match="labels.0. = 3|expected a class below 2"):
        local_loss(z, y, classes=2).block_until_ready()
