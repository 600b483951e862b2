"""
What the package computes in Rust.
"""

import numpy
from typing import SupportsFloat, SupportsIndex, final

__all__ = ["Operator", "estimators", "gamma_test", "kernels", "measure", "permutation_test"]

@final
class Operator:
    """
    What the losses of all blocks share of one batch.
    """
    def __new__(cls, /, x: numpy.ndarray | None, labels: numpy.ndarray | None, numbers: numpy.ndarray | None, classes: SupportsIndex, double: bool, sigma: SupportsFloat | SupportsIndex, sigma_labels: SupportsFloat | SupportsIndex, epsilon: SupportsFloat | SupportsIndex, beta: SupportsFloat | SupportsIndex, x_weight: SupportsFloat | SupportsIndex) -> Operator:
        """
        The operator of a batch: of `labels` below `classes`, or of `numbers`, one of which is None; `x` may be None.
        """
    def evaluate(self, /, z: numpy.ndarray) -> tuple[float, float, float, bool, numpy.ndarray]:
        """
        Terms and gradient at `z`, which is of the operator's type. Runs on the caller's thread, without the interpreter's lock.
        """
    @property
    def label_trace(self, /) -> float:
        """
        tr R_Y, the least upper bound of nHSIC(Z, Y).
        """
    @property
    def vanished(self, /) -> bool:
        """
        Whether the targets have all but vanished under the ridge.
        """
    @property
    def x_trace(self, /) -> float:
        """
        tr R_X, the least upper bound of nHSIC(Z, X); 0 without the X term.
        """

def estimators() -> list[str]:
    """
    Names of all estimators.
    """

def gamma_test(x: numpy.ndarray, y: numpy.ndarray, kernels: tuple[tuple[str, SupportsFloat | SupportsIndex | None, bool], tuple[str, SupportsFloat | SupportsIndex | None, bool]], threads: SupportsIndex) -> tuple[float, float]:
    """
    Statistic and p-value by the gamma approximation.
    """

def kernels() -> list[str]:
    """
    Names of all kernels.
    """

def measure(x: numpy.ndarray, y: numpy.ndarray, kernels: tuple[tuple[str, SupportsFloat | SupportsIndex | None, bool], tuple[str, SupportsFloat | SupportsIndex | None, bool]], estimator: str, epsilon: SupportsFloat | SupportsIndex, threads: SupportsIndex) -> tuple[float, float | None, float | None]:
    """
    The figure, and the widths of both kernels.
    """

def permutation_test(x: numpy.ndarray, y: numpy.ndarray, kernels: tuple[tuple[str, SupportsFloat | SupportsIndex | None, bool], tuple[str, SupportsFloat | SupportsIndex | None, bool]], permutations: SupportsIndex, seed: SupportsIndex, threads: SupportsIndex) -> tuple[float, float]:
    """
    Statistic and p-value of a permutation test.
    """
