"""The HSIC-bottleneck objective of one block's activations, with its gradient in closed form."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from . import _hsic
from ._tables import _on_cpu, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray


class HsicWarning(RuntimeWarning):
    """A loss that is a number, but that nothing can be learned from."""


class Terms(NamedTuple):
    """The loss and its two terms: loss = x_weight nHSIC(z, x) - beta nHSIC(z, y)."""

    loss: float
    x: float
    y: float
    dead: bool


class Batch:
    """What the losses of all blocks of one batch share: kernels of y and x, and their factors.

    Args:
        y: the class of each row as whole numbers (or bools), or numbers to be told (floats), one row a sample. Words are no
            labels; np.unique(y, return_inverse=True) numbers them.
        x: the network's input, one row a sample; without it the loss is -beta nHSIC(z, y).
        classes: number of classes, which the kernel of labels depends on; by default the largest label of this batch and 1.
            Name it, so that all batches have the same.
        sigma: width of the kernel exp(-|z - z'|^2 / (2 sigma^2 d)) of activations and input.
        sigma_labels: width of the kernel of y, sigma by default; numbers should have about unit variance.
        beta, x_weight: weights of the two terms; epsilon: the ridge as a fraction of the rows.

    It is made when the first loss asks for it, in the type of that block's activations.
    """

    def __init__(
        self,
        y: Any,
        x: Any = None,
        *,
        classes: int | None = None,
        sigma: float = 5.0,
        sigma_labels: float | None = None,
        beta: float = 500.0,
        epsilon: float = 1e-5,
        x_weight: float = 1.0,
    ) -> None:
        self.y = _rows("y", y)
        self.x = None if x is None else _rows("x", x)
        self.classes = None
        kind = self.y.dtype.kind
        if kind in "biu":
            if self.y.shape[1] != 1:
                raise ValueError(f"y has {self.y.shape[1]} columns of whole numbers: expected one class a row, or floats")
            labels = self.y[:, 0]
            if kind == "u" and labels.size and int(labels.max()) >= 2**63:
                raise ValueError(f"y has the label {int(labels.max())}: expected classes from 0")
            self.y = labels.astype(np.int64)
            most = int(self.y.max()) + 1 if self.y.size else 0
            self.classes = most if classes is None else classes
        elif kind != "f":
            raise TypeError(f"y is of type {self.y.dtype}: expected classes as whole numbers, or numbers as floats")
        elif classes is not None:
            raise ValueError(f"classes = {classes}: expected not given where y holds floats, of which no classes are made; "
                             "y as whole numbers gives them")
        self.sigma = sigma
        self.sigma_labels = sigma if sigma_labels is None else sigma_labels
        self.beta, self.epsilon, self.x_weight = beta, epsilon, x_weight
        self._operators: dict[str, _hsic.Operator] = {}

    def __len__(self) -> int:
        return len(self.y)

    def operator(self, dtype: np.dtype[Any]) -> _hsic.Operator:
        """What Rust keeps of the batch, in that type."""
        found = self._operators.get(dtype.name)
        if found is None:
            x = None if self.x is None else numbers("x", self.x).astype(dtype, copy=False)
            labels, targets = (self.y, None) if self.classes is not None else (None, numbers("y", self.y).astype(dtype, copy=False))
            found = _hsic.Operator(x, labels, targets, self.classes or 0, dtype.name == "float64", self.sigma,
                                   self.sigma_labels, self.epsilon, self.beta, self.x_weight)
            if found.vanished:
                warnings.warn("y has all but vanished under the ridge, so that next to nothing can be learned from it: expected "
                              "more than one class or value, a smaller sigma_labels or a smaller epsilon", HsicWarning, stacklevel=4)
            self._operators[dtype.name] = found
        return found

    def evaluate(self, z: NDArray[Any]) -> tuple[Terms, NDArray[Any]]:
        """Terms and gradient at a contiguous array z of two dimensions, float32 or float64."""
        x, y, loss, dead, gradient = self.operator(z.dtype).evaluate(z)
        if dead:
            warnings.warn("all rows of z are equal: the block is dead, its loss and its gradient are 0", HsicWarning, stacklevel=3)
        return Terms(loss, x, y, dead), gradient


def local_loss_and_gradient(
    z: Any,
    y: Any = None,
    x: Any = None,
    *,
    classes: int | None = None,
    sigma: float = 5.0,
    sigma_labels: float | None = None,
    beta: float = 500.0,
    epsilon: float = 1e-5,
    x_weight: float = 1.0,
    batch: Batch | None = None,
) -> tuple[float, NDArray[Any]]:
    """x_weight nHSIC(z, x) - beta nHSIC(z, y) of a block's activations, and its gradient by z, in z's shape and type.

    What is said of the arguments at `Batch` holds here. For several blocks of one batch make the Batch once and give it in
    place of y, x and the options. Contiguous arrays of float32 and float64 are read where they lie.

    >>> import numpy as np
    >>> z = np.array([[0.1], [0.9], [0.2], [1.1], [0.6], [0.3]])
    >>> loss, gradient = local_loss_and_gradient(z, [0, 1, 0, 1, 1, 0], sigma=1, beta=1)
    >>> round(loss, 4), gradient.shape
    (-0.9397, (6, 1))
    """
    batch = of_batch(Batch, batch, y, x, classes=classes, sigma=sigma, sigma_labels=sigma_labels, beta=beta, epsilon=epsilon,
                     x_weight=x_weight)
    given = np.asarray(_on_cpu("z", z))
    terms, gradient = batch.evaluate(numbers("z", _flat("z", given)))
    return terms.loss, gradient.reshape(given.shape)


AnyBatch = TypeVar("AnyBatch")


def of_batch(kind: Callable[..., AnyBatch], batch: AnyBatch | None, y: Any, x: Any, **options: Any) -> AnyBatch:
    """The batch that was given, or a new one of that kind."""
    if batch is None:
        if y is None:
            raise TypeError("y is missing: expected labels or numbers, or a batch")
        return kind(y, x, **options)
    usual = {"classes": None, "sigma": 5.0, "sigma_labels": None, "beta": 500.0, "epsilon": 1e-5, "x_weight": 1.0}
    beside = [name for name, value in (("y", y), ("x", x)) if value is not None]
    beside += [name for name, value in options.items() if value != usual[name]]
    if beside:
        raise TypeError(f"{', '.join(beside)} beside a batch: expected in the Batch, which holds them")
    return batch


def _rows(name: str, data: Any) -> NDArray[Any]:
    return _flat(name, np.asarray(_on_cpu(name, data)))


def _flat(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """One row a sample, of whatever shape samples are."""
    if array.ndim == 0:
        raise ValueError(f"{name} is a single number: expected one row a sample")
    return array if array.ndim == 2 else array.reshape(len(array), int(np.prod(array.shape[1:])))
