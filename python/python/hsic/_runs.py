"""Runs: what a training left, read from its folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _hsic
from ._columns import Columns
from ._listening import scalars
from ._statistics import _threads
from ._tables import table


class Temporary:
    """A folder that goes when nothing holds it any more, or the process that made it ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="hsic-"))
        weakref.finalize(self, _remove, self.path, os.getpid())


def _remove(path: Path, process: int) -> None:
    # A forked child that ends leaves its parent's folder.
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)


class Figures:
    """Figures by title, as SVG; a notebook shows them."""

    def __init__(self, pictures: list[tuple[str, str]]) -> None:
        self.pictures = dict(pictures)

    def __repr__(self) -> str:
        return f"Figures({', '.join(self.pictures)})"

    def _repr_html_(self) -> str:
        return "\n".join(self.pictures.values())

    def save(self, folder: str | Path) -> list[Path]:
        """Writes each figure into a folder, as `loss-by-block.svg`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for title, svg in self.pictures.items():
            name = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
            paths.append(folder / f"{name}.svg")
            paths[-1].write_text(svg)
        return paths


class Run:
    """A run's folder, finished or not, as it stood when it was read."""

    def __init__(self, path: str | Path, keep: Any = None) -> None:
        self.path = Path(path)
        # A temporary folder lives as long as what holds it.
        self._keep = keep
        self._told = json.loads(_hsic.read_run(self.path))
        self._model: _hsic.Model | None = None

    @property
    def config(self) -> dict[str, dict[str, Any]]:
        """The options of the training by stage, defaults and all, as in its `config.toml`."""
        return self._told["config"]  # type: ignore[no-any-return]

    @property
    def data(self) -> dict[str, Any] | None:
        """What the run remembers of its data."""
        return self._told["data"]  # type: ignore[no-any-return]

    @property
    def summary(self) -> dict[str, Any] | None:
        """What the training came to, as the command's `--json` has it; None while it is not finished."""
        return self._told["summary"]  # type: ignore[no-any-return]

    @property
    def warnings(self) -> list[str]:
        """What was amiss."""
        return self._told["warnings"]  # type: ignore[no-any-return]

    @property
    def monitor(self) -> list[dict[str, Any]]:
        """The monitor's records, as in `metrics.jsonl`."""
        return self._told["monitor"]  # type: ignore[no-any-return]

    @property
    def format(self) -> list[float]:
        """Test accuracy after each epoch of format training."""
        return self._told["format"]  # type: ignore[no-any-return]

    @property
    def metrics(self) -> Columns:
        """A row an epoch: what is one number a network."""
        return Columns.of(scalars(record) for record in self._told["epochs"])

    @property
    def blocks(self) -> Columns:
        """A row an epoch and block: loss and what else the method measures of a block."""
        rows = []
        for record in self._told["epochs"]:
            measured = {name: record[name] for name in ("loss", "nhsic_x", "nhsic_y")} | record.get("terms", {})
            for block in range(len(record["loss"])):
                own = {name: values[block] for name, values in measured.items() if block < len(values)}
                rows.append({"epoch": record["epoch"], "block": block, **own})
        return Columns.of(rows)

    @property
    def timeline(self) -> Columns:
        """A row a piece of work in the step that was timed: which thread did what for which block, and when."""
        return Columns.of({"step": timeline["step"], **span} for timeline in self._told["timelines"] for span in timeline["spans"])

    @property
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The network's tensors under PyTorch's names, and `format.weight`, `format.bias` of its softmax layer. Of a run with
        several sigmas, those of the network with sigma 3 are `sigma-3.` and their name."""
        found: dict[str, NDArray[np.float32]] = {}
        for member in sorted(self.path.glob("sigma-*/weights.safetensors")):
            found |= {f"{member.parent.name}.{name}": values for name, values in read_tensors(member).items()}
        for prefix, name in (("", "weights"), ("format.", "format"), ("line.", "line")):
            path = self.path / f"{name}.safetensors"
            if path.exists():
                found |= {prefix + key: values for key, values in read_tensors(path).items()}
        return found

    def predict(self, x: Any, *, n_jobs: int | None = None) -> NDArray[Any]:
        """The class of each row by its name, or its value. x is an array in the units of the training data, or the path of a
        file as `hsic predict` takes it."""
        model, x = self._rows(x)
        if model.of_values:
            return model.values(x, _threads(n_jobs))
        found: NDArray[Any] = np.asarray(model.class_names)[model.classes(x, _threads(n_jobs))]
        return found

    def predict_proba(self, x: Any, *, n_jobs: int | None = None) -> NDArray[np.float64]:
        """Probability of each class, in the order of `data["class_names"]`."""
        model, x = self._rows(x)
        if model.of_values:
            raise ValueError("the run learned values, which have no probabilities: expected predict")
        return model.probabilities(x, _threads(n_jobs))

    def features(self, x: Any, *, blocks: str = "all", n_jobs: int | None = None) -> NDArray[np.float32]:
        """Features of all blocks side by side, or of the last."""
        if blocks not in ("all", "last"):
            raise ValueError(f"blocks = {blocks}: expected all or last")
        model, x = self._rows(x)
        return model.features(x, blocks == "all", _threads(n_jobs))

    def plot(self, *, ax: Any = None) -> Any:
        """All figures of the run as SVG. With an axes of matplotlib, its accuracies (or R2) over epochs are drawn there."""
        if ax is None:
            return Figures(_hsic.run_figures(self.path))
        metrics = self.metrics
        shown = [name for name in metrics if name.endswith(("_accuracy", "_r2"))]
        for name in shown:
            ax.plot(metrics["epoch"], metrics[name], marker="o", label=name.replace("_", " "))
        ax.set_xlabel("epoch")
        ax.legend()
        return ax

    def _rows(self, x: Any) -> tuple[_hsic.Model, NDArray[Any]]:
        if self._model is None:
            self._model = _hsic.Model(self.path)
        if isinstance(x, (str, Path)):
            return self._model, self._model.read(Path(x), 0)
        if self._told["data"].get("columns") and any("words" in str(column) for column in self._told["data"]["columns"]):
            raise TypeError("the run has columns of words: expected the path of a file with the columns of the training data")
        return self._model, table("x", x).values

    def __repr__(self) -> str:
        summary = self.summary
        if summary is None:
            return f"Run({str(self.path)!r}, not finished)"
        named = {name: summary[name] for name in ("format_accuracy", "test_accuracy", "test_r2") if summary.get(name) is not None}
        return f"Run({str(self.path)!r}, {', '.join(f'{name}={value:.4f}' for name, value in named.items())})"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p><code>{escape(repr(self))}</code></p>{self.plot()._repr_html_()}"


def read_run(path: str | Path) -> Run:
    """Opens the folder of a run, finished or not."""
    return Run(path)


def runs(folder: str | Path = "runs", where: str | Iterable[str] = ()) -> list[dict[str, Any]]:
    """The runs at and below a folder, as `hsic runs --json` lists them; a frame of pandas takes the list as it is.

    Args:
        folder: holds runs at whatever depth.
        where: conditions that are to hold at once, as "method=hsic" or "accuracy>90%".

    Each has its `run` (the folder, which `read_run` opens), `state` (running, stopped, finished, failed or unreadable), what is
    known of its data, network, method, seed, epochs, accuracy (a fraction) or r2, seconds, and its `options`.
    """
    conditions = [where] if isinstance(where, str) else list(where)
    found: list[dict[str, Any]] = json.loads(_hsic.list_runs(Path(folder), conditions))
    return found


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors of a file of the safetensors format that this package wrote: length of the header, header, entries."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header: Mapping[str, Any] = json.loads(raw[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(raw[begin:end], "<f4").reshape(entry["shape"])
    return tensors
