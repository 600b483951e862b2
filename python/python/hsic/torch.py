"""The HSIC bottleneck in PyTorch: a loss for the blocks of any network, and a trainer for an `nn.Sequential`.

Tensors on the CPU go through the engine in Rust, without a copy; on other devices the same closed form runs in operations of
PyTorch, on the tensors' own device.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from . import _assignment, _objective
from ._objective import HsicWarning, Terms, of_batch
from ._torch_operator import Operator, options_of

__all__ = ["Batch", "LocalTrainer", "local_loss"]


class Batch:
    """What the losses of all blocks of one batch share: kernels of y and x, and their factors.

    Args:
        y: the class of each row as whole numbers (or bools), or numbers to be told (floats), one row a sample.
        x: the network's input, one row a sample of whatever shape; without it the loss is -beta nHSIC(z, y).
        classes: number of classes, which the kernel of labels depends on; by default the largest label of this batch and 1.
            Name it, so that all batches have the same.
        sigma: width of the kernel exp(-|z - z'|^2 / (2 sigma^2 d)) of activations and input.
        sigma_labels: width of the kernel of y, sigma by default; numbers should have about unit variance.
        beta, x_weight: weights of the two terms; epsilon: the ridge as a fraction of the rows.
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
        self.y = torch.as_tensor(y).detach()
        self.x = None if x is None else torch.as_tensor(x).detach()
        self.classes = classes
        self._options = options_of(sigma=sigma, sigma_labels=sigma if sigma_labels is None else sigma_labels, beta=beta,
                                   epsilon=epsilon, x_weight=x_weight)
        self._engine: _objective.Batch | None = None
        self._operators: dict[tuple[torch.device, torch.dtype], Operator] = {}

    def __len__(self) -> int:
        return len(self.y)

    def evaluate(self, z: Tensor) -> tuple[Terms, Tensor]:
        """Terms and gradient at z, the gradient in z's shape, on its device."""
        z = z.detach()
        if z.ndim == 0:
            raise ValueError("z is a single number: expected one row a sample")
        if not z.dtype.is_floating_point:
            raise TypeError(f"z is of type {z.dtype}: expected floats")
        # Half the digits are too few for the ridge.
        exact = z.dtype if z.dtype in (torch.float32, torch.float64) else torch.float32
        flat = z.to(exact)
        if z.ndim != 2 or not flat.is_contiguous():
            flat = flat.reshape(len(z), z[:1].numel()).contiguous()
        if z.device.type == "cpu":
            terms, found = self._of_engine().evaluate(flat.numpy())
            gradient = torch.from_numpy(found)
        else:
            terms, gradient = self._of_device(z.device, exact).evaluate(flat)
            if terms.dead:
                warnings.warn("all rows of z are equal: the block is dead, its loss and its gradient are 0", HsicWarning,
                              stacklevel=3)
        return terms, gradient.to(z.dtype).reshape(z.shape)

    def _of_engine(self) -> _objective.Batch:
        if self._engine is None:
            x = None if self.x is None else self.x.cpu()
            self._engine = _objective.Batch(self.y.cpu(), x, classes=self.classes, **self._options)
        return self._engine

    def _of_device(self, device: torch.device, dtype: torch.dtype) -> Operator:
        key = (device, dtype)
        if key not in self._operators:
            y, classes = self.y.to(device), self.classes
            if y.dtype.is_floating_point:
                y = y.reshape(len(y), y[:1].numel())
            else:
                y = y.reshape(-1).long()
                classes = int(y.max()) + 1 if classes is None else classes
            x = None if self.x is None else self.x.to(device).reshape(len(self.x), self.x[:1].numel())
            self._operators[key] = Operator(y, x, dtype, classes, self._options)
        return self._operators[key]


class _LocalLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, batch: Batch) -> Tensor:
        terms, gradient = batch.evaluate(z)
        ctx.save_for_backward(gradient)
        return torch.tensor(terms.loss, dtype=torch.float64 if z.dtype == torch.float64 else torch.float32, device=z.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream.to(gradient.dtype), None


def local_loss(
    z: Tensor,
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
) -> Tensor:
    """x_weight nHSIC(z, x) - beta nHSIC(z, y) of a block's activations of any shape, a tensor with a gradient in closed form.

    What is said of the arguments at `Batch` holds here. For several blocks of one batch make the Batch once and give it in
    place of y, x and the options. Detach what a block is fed, or the loss of one block trains those before it too.
    """
    batch = of_batch(Batch, batch, y, x, classes=classes, sigma=sigma, sigma_labels=sigma_labels, beta=beta, epsilon=epsilon,
                     x_weight=x_weight)
    return _LocalLoss.apply(z, batch)  # type: ignore[no-any-return]


class LocalTrainer:
    """Trains an `nn.Sequential` block by block: no gradient passes from one block to the one before.

    Args:
        model: its children are the blocks if all of them are `nn.Sequential`; otherwise a block begins at every child that has
            a matrix of weights, and children without one belong to the block before them (to the first, if none is before).
        optimizer: makes the optimizer of a block from its parameters, as `lambda p: torch.optim.SGD(p, 2e-3)`.
        scheduler: makes the schedule of an optimizer's learning rate, as
            `lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=steps)`; it goes on with every batch.
        classes: number of classes; by default the outputs of the last block, if labels are whole numbers.
        sigma, sigma_labels, beta, epsilon, x_weight: as for `Batch`; x_weight = 0 leaves the input's term out.

    The outputs of the last block name no classes: `fit` ends with a pass over the data that finds which unit stands for which
    class, and `predict` and `score` use that.
    """

    def __init__(
        self,
        model: nn.Sequential,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        *,
        scheduler: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler] | None = None,
        classes: int | None = None,
        sigma: float = 5.0,
        sigma_labels: float | None = None,
        beta: float = 500.0,
        epsilon: float = 1e-5,
        x_weight: float = 1.0,
    ) -> None:
        self.model = model
        self.blocks = blocks_of(model)
        self.optimizers = [optimizer([p for p in block.parameters() if p.requires_grad]) for block in self.blocks]
        self.schedulers = [scheduler(own) for own in self.optimizers] if scheduler is not None else []
        self.classes = classes
        self.class_of_unit: np.ndarray | None = None
        self._options: dict[str, Any] = {"sigma": sigma, "sigma_labels": sigma_labels, "beta": beta, "epsilon": epsilon,
                                         "x_weight": x_weight}

    def step(self, x: Tensor, y: Tensor) -> list[float]:
        """One batch for all blocks; returns the loss of each."""
        self.model.train()
        device = next(self.model.parameters()).device
        x, y = x.to(device), y.to(device)
        input = x if self._options["x_weight"] > 0 else None
        batch, h, losses = None, x, []
        for block, optimizer in zip(self.blocks, self.optimizers):
            z = block(h)
            if batch is None:
                batch = Batch(y, input, classes=self._classes(h, y), **self._options)
            loss = local_loss(z, batch=batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
            h = z.detach()
        for schedule in self.schedulers:
            schedule.step()
        return losses

    def fit(self, loader: Iterable[tuple[Tensor, Tensor]], epochs: int = 1) -> list[list[float]]:
        """So many passes over the batches of `loader`; returns the mean loss of each block, pass by pass.

        `loader` is gone over again for each pass, and once more at the end: a DataLoader or a list, no generator. A batch of a
        single row is left out, since it has no dependence.
        """
        if iter(loader) is loader:
            raise TypeError("loader is an iterator, which can be gone over once: expected a DataLoader or a list of batches")
        history = []
        labels = None
        for _ in range(epochs):
            sums, count = np.zeros(len(self.blocks)), 0
            for x, y in loader:
                if len(x) < 2:
                    continue
                sums += self.step(x, y)
                count, labels = count + 1, not y.dtype.is_floating_point
            if count == 0:
                raise ValueError("loader has no batch of 2 rows or more: expected one")
            history.append([float(mean) for mean in sums / count])
        if labels:
            self.assign(loader)
        return history

    def assign(self, loader: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Finds which unit of the last block stands for which class, on training data."""
        counts: np.ndarray | None = None
        for outputs, y in self._outputs(loader):
            if counts is None:
                counts = np.zeros((self.classes or outputs.shape[1], outputs.shape[1]), dtype=np.int64)
            np.add.at(counts, (y.cpu().numpy(), outputs.argmax(1).cpu().numpy()), 1)
        if counts is None:
            raise ValueError("loader has no batch: expected one")
        self.class_of_unit = _assignment.fit(counts)

    def predict(self, x: Tensor) -> Tensor:
        """The class of each row."""
        if self.class_of_unit is None:
            raise RuntimeError("it is not known which unit stands for which class: expected fit or assign before")
        with torch.no_grad():
            self.model.eval()
            units = self.model(x.to(next(self.model.parameters()).device)).flatten(1).argmax(1)
        return torch.as_tensor(self.class_of_unit, device=units.device)[units]

    def score(self, loader: Iterable[tuple[Tensor, Tensor]]) -> float:
        """Share of rows whose class is predicted."""
        right = rows = 0
        for x, y in loader:
            found = self.predict(x)
            right += int((found == y.to(found.device)).sum())
            rows += len(y)
        if rows == 0:
            raise ValueError("loader has no rows: expected some")
        return right / rows

    def _outputs(self, loader: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        device = next(self.model.parameters()).device
        self.model.eval()
        with torch.no_grad():
            for x, y in loader:
                yield self.model(x.to(device)).flatten(1), y

    def _classes(self, x: Tensor, y: Tensor) -> int | None:
        """Asked of the network once: how many outputs it has."""
        if y.dtype.is_floating_point:
            return None
        if self.classes is None:
            with torch.no_grad():
                self.model.eval()
                self.classes = self.model(x[:1]).flatten(1).shape[1]
                self.model.train()
        return self.classes


def blocks_of(model: nn.Sequential) -> list[nn.Sequential]:
    """The blocks that `LocalTrainer` trains."""
    children = list(model.children())
    if children and all(isinstance(child, nn.Sequential) for child in children):
        blocks = [child for child in children if isinstance(child, nn.Sequential)]
    else:
        parts: list[list[nn.Module]] = []
        for child in children:
            opens = any(parameter.ndim > 1 for parameter in child.parameters())
            if not parts or (opens and any(p.ndim > 1 for module in parts[-1] for p in module.parameters())):
                parts.append([])
            parts[-1].append(child)
        blocks = [nn.Sequential(*part) for part in parts]
    for index, block in enumerate(blocks):
        if not any(parameter.requires_grad for parameter in block.parameters()):
            raise ValueError(f"block {index} of the model has nothing to train: expected parameters in every block")
    if not blocks:
        raise ValueError("the model has no children: expected an nn.Sequential of layers")
    return blocks
