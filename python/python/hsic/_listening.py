"""Who hears of a training while it runs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from typing import Any

from ._objective import HsicWarning
from ._progress import Bar, Progress

#: Steps between two that a bar is told of.
_STEPS = 10


class Callback:
    """Hears of a training. Any of the methods may be left out; one that returns False ends training after this step.

    Any object that has one of them will do.
    """

    def on_step(self, step: int, total: int) -> bool | None:
        """After each step: steps done, of how many."""

    def on_epoch(self, record: dict[str, Any]) -> bool | None:
        """After each epoch: `epoch`, `step`, `seconds`, `learning_rate`, `loss` by block, accuracies or `values`."""

    def on_warning(self, warning: str) -> bool | None:
        """When something is amiss: a dead block, a lost class, too few steps."""


class EarlyStopping(Callback):
    """Ends training when a number of the epochs' records has not risen for so many epochs.

    `monitor` is a key of the record, such as test_accuracy; test_r2 and train_r2 are those of values.
    """

    def __init__(self, monitor: str = "test_accuracy", patience: int = 3, minimum_rise: float = 0.0) -> None:
        self.monitor, self.patience, self.minimum_rise = monitor, patience, minimum_rise
        self._best, self._waited = float("-inf"), 0

    def on_epoch(self, record: dict[str, Any]) -> bool | None:
        if record["epoch"] == 1:
            self._best, self._waited = float("-inf"), 0
        known = scalars(record)
        if self.monitor not in known:
            raise ValueError(f"monitor = {self.monitor}: expected one of {', '.join(known)}")
        value = known[self.monitor]
        self._waited = 0 if value > self._best + self.minimum_rise else self._waited + 1
        self._best = max(self._best, value)
        return self._waited < self.patience


def scalars(record: dict[str, Any]) -> dict[str, float]:
    """The numbers of an epoch's record that are one a network, by name."""
    found = {name: value for name, value in record.items() if isinstance(value, (int, float))}
    for part, score in (record.get("values") or {}).items():
        found |= {f"{part}_{name}": value for name, value in score.items()}
    return found


class Listener:
    """Tells callbacks and a bar what Rust tells; what it returns says whether training goes on."""

    def __init__(self, callbacks: Iterable[Any], progress: Progress, left_out: tuple[str, ...] = ()) -> None:
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not any(hasattr(callback, name) for name in ("on_step", "on_epoch", "on_warning")):
                raise TypeError(f"callbacks: {callback!r} has none of on_step, on_epoch and on_warning")
        self.bar = Bar.of(progress)
        self.epochs: list[dict[str, Any]] = []
        self._left_out = left_out
        self._warned: list[str] = []
        steps = any(_has(callback, "on_step") for callback in self.callbacks)
        #: Steps between two that are told.
        self.every = 1 if steps else _STEPS if self.bar else 0

    def __call__(self, kind: str, told: Any) -> bool:
        if kind == "step":
            if self.bar:
                self.bar.at(*told)
            return self._all("on_step", *told)
        if kind == "epoch":
            record = {name: value for name, value in json.loads(told).items() if name not in self._left_out}
            self.epochs.append(record)
            if self.bar:
                shown = {name: value for name, value in scalars(record).items() if name.endswith(("accuracy", "r2"))}
                self.bar._words = ", ".join(f"{name} {value:.4f}" for name, value in shown.items())
            return self._all("on_epoch", record)
        if kind == "warning":
            self._warned.append(told)
            return self._all("on_warning", told)
        return True

    def end(self) -> None:
        if self.bar:
            self.bar.end()
        for warning in self._warned:
            warnings.warn(warning, HsicWarning, stacklevel=4)

    def _all(self, name: str, *told: Any) -> bool:
        answers = [getattr(callback, name)(*told) for callback in self.callbacks if _has(callback, name)]
        return not any(answer is False for answer in answers)


def _has(callback: Any, name: str) -> bool:
    """Whether a callback has a method of its own of that name."""
    own = getattr(type(callback), name, None)
    return hasattr(callback, name) and own is not getattr(Callback, name)
