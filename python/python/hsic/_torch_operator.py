"""The objective in operations of PyTorch, on whatever device its tensors are: the closed form of `crates/hsic/src/objective.rs`.

L(Z) = w nHSIC(Z, X) - beta nHSIC(Z, Y). With N the inverse Cholesky factor of Kc_Z + c I, c = epsilon m, R_X = F F', R_Y = U U',
P = N F and Q = N U:

nHSIC(Z, X) = tr R_X - c |P|^2,  nHSIC(Z, Y) = tr R_Y - c |Q|^2,  G = c (w (N'P)(N'P)' - beta (N'Q)(N'Q)'),
W = G o K_Z,  dL/dZ = -(2 / (sigma^2 d)) (diag(W 1) - W) Z.

K - 1 is formed, and N'P and N'Q are centered before their products: both keep digits that single precision would lose.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ._objective import Terms


class _Lost(ArithmeticError):
    """A matrix that is positive definite lost that to rounding."""


class Operator:
    """What the losses of all blocks of one batch share, on one device and in one type (float32 or float64)."""

    def __init__(self, y: Tensor, x: Tensor | None, dtype: torch.dtype, classes: int | None, options: dict[str, float]) -> None:
        rows = len(y)
        if rows < 2:
            raise ValueError(f"y has {rows} rows: expected at least 2")
        if x is not None and len(x) != rows:
            raise ValueError(f"x has {len(x)} rows and y has {rows}: expected the same number")
        self.dtype, self.options = dtype, options
        self.ridge = options["epsilon"] * rows
        # What depends on the batch alone is made in double precision, where the device has it: beta weighs its rounding.
        exact = dtype if y.device.type == "mps" else torch.float64
        if classes is None:
            u, self.y_trace = self._root("y", y.to(exact), options["sigma_labels"])
        else:
            u, self.y_trace = self._labels(y, classes, exact)
        self.u, self.f, self.x_trace = u.to(dtype), None, 0.0
        if x is not None and options["x_weight"] > 0:
            f, self.x_trace = self._root("x", x.to(exact), options["sigma"])
            self.f = f.to(dtype)
        self._double: Operator | None = None
        self._made_of = (y, x, classes)

    def evaluate(self, z: Tensor) -> tuple[Terms, Tensor]:
        """Terms and gradient at z, m x d."""
        if len(z) != len(self.u):
            raise ValueError(f"z has {len(z)} rows and the batch has {len(self.u)}: expected the same number")
        sigma, beta, weight = self.options["sigma"], self.options["beta"], self.options["x_weight"]
        try:
            root = self._inverse_root("z", z, sigma)
        except _Lost:
            # Rounding has outgrown the ridge.
            if self.dtype == torch.float64 or z.device.type == "mps":
                raise ValueError("the ridged Gram matrix lost positive definiteness to rounding: expected a larger epsilon, "
                                 "or float64") from None
            if self._double is None:
                y, x, classes = self._made_of
                self._double = Operator(y, x, torch.float64, classes, self.options)
            terms, gradient = self._double.evaluate(z.double())
            return terms, gradient.to(self.dtype)
        if root is None:
            return Terms(0.0, 0.0, 0.0, True), torch.zeros_like(z)
        centered, kernel, inverse = root
        at_y = self.y_trace - self.ridge * _squares(inverse @ self.u)
        back = _centered(inverse.T @ (inverse @ self.u))
        g = back @ back.T * (-beta * self.ridge)
        at_x = 0.0
        if self.f is not None:
            p = inverse @ self.f
            at_x = self.x_trace - self.ridge * _squares(p)
            back = _centered(inverse.T @ p)
            g += back @ back.T * (weight * self.ridge)
        w = g * (kernel + 1)
        gradient = (w.sum(1, keepdim=True) * centered - w @ centered) * (-2 / (sigma * sigma * z.shape[1]))
        return Terms(weight * at_x - beta * at_y, at_x, at_y, False), gradient

    def _inverse_root(self, name: str, v: Tensor, sigma: float) -> tuple[Tensor, Tensor, Tensor] | None:
        """Centered rows, K - 1, and the inverse Cholesky factor of Kc + c I; None where all rows are equal."""
        if v.shape[1] == 0:
            raise ValueError(f"{name} has no columns: expected at least 1")
        finite = torch.isfinite(v)
        if not bool(finite.all()):
            row, column = (~finite).nonzero()[0].tolist()
            raise ValueError(f"{name}[{row}, {column}] is not a finite number")
        centered = v - v.mean(0)
        if float(centered.abs().max()) <= 4 * torch.finfo(v.dtype).eps * float(v.abs().max()):
            return None
        products = centered @ centered.T
        squares = products.diagonal()
        distances = (squares[:, None] + squares[None, :] - 2 * products).clamp_min_(0).fill_diagonal_(0)
        kernel = torch.expm1(distances * (-0.5 / (sigma * sigma * v.shape[1])))
        means = kernel.mean(0)
        ridged = kernel - means - means[:, None] + means.mean()
        ridged.diagonal().add_(self.ridge)
        factor, info = torch.linalg.cholesky_ex(ridged)
        if int(info) or not float(factor.diagonal().min()) > math.sqrt(0.5 * self.ridge):
            raise _Lost(name)
        one = torch.eye(len(v), dtype=v.dtype, device=v.device)
        return centered, kernel, torch.linalg.solve_triangular(factor, one, upper=False)

    def _root(self, name: str, v: Tensor, sigma: float) -> tuple[Tensor, float]:
        """F with F F' = R of the rows of v, and tr R."""
        try:
            root = self._inverse_root(name, v, sigma)
        except _Lost:
            raise ValueError(f"the ridged Gram matrix of {name} lost positive definiteness to rounding: expected a larger "
                             "epsilon") from None
        one = torch.eye(len(v), dtype=v.dtype, device=v.device)
        if root is None:
            return torch.zeros_like(one), 0.0
        inverse = root[2]
        r = _centered(_centered(one - self.ridge * (inverse.T @ inverse)).T)
        trace = float(r.diagonal().sum())
        delta = torch.finfo(v.dtype).eps * len(v) / 4
        while True:
            # R is singular; what is added is about the rounding of its entries.
            factor, info = torch.linalg.cholesky_ex(r + delta * one)
            if not int(info):
                return factor, trace
            if delta >= 1e-3:
                raise ValueError(f"the normalized Gram matrix of {name} lost positive definiteness to rounding: expected a "
                                 "larger epsilon")
            delta *= 4

    def _labels(self, y: Tensor, classes: int, dtype: torch.dtype) -> tuple[Tensor, float]:
        """U with U U' = R_Y by a system of classes x classes: B = sqrt(1 - a) H Y, S S' = c I + B'B, U = B S^-T."""
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= classes:
            row = int(((y < 0) | (y >= classes)).nonzero()[0])
            raise ValueError(f"y[{row}] = {int(y[row])}: expected a class below {classes}")
        spread = -math.expm1(-1 / (self.options["sigma_labels"] ** 2 * classes))
        b = _centered(torch.nn.functional.one_hot(y, classes).to(dtype)) * math.sqrt(spread)
        system = b.T @ b
        system.diagonal().add_(self.ridge)
        root = torch.linalg.cholesky(system)
        u = torch.linalg.solve_triangular(root, b.T, upper=False).T
        return u, _squares(u)


def _centered(v: Tensor) -> Tensor:
    return v - v.mean(0)


def _squares(v: Tensor) -> float:
    return float((v * v).sum())


def options_of(**options: Any) -> dict[str, float]:
    """The numbers of the objective, each in its range."""
    for name, value in options.items():
        least = "0" if name in ("beta", "x_weight") else ""
        if not (math.isfinite(value) and (value >= 0 if least else value > 0)):
            raise ValueError(f"{name} = {value}: expected a finite number {'>= 0' if least else '> 0'}")
    return options
