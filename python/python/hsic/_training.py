"""Trainings and comparisons, as the commands `hsic train` and `hsic compare` make them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from . import _hsic
from ._columns import Columns
from ._listening import Listener
from ._progress import Bar, Progress
from ._runs import Figures, Run, Temporary


def train(
    data: Any = "digits",
    *,
    folder: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    config: str | Path | None = None,
    callbacks: Iterable[Any] = (),
    progress: Progress = "auto",
    **options: Any,
) -> Run:
    """Trains a network as the command `hsic train` does: the same options, the same files, the same bits.

    Args:
        data: name of a data set, path of what the command takes, or samples: (x, y), ((x, y), (x_test, y_test)) as tuples, a frame of
            pandas or polars, an array whose last column is the target. Samples go through a file: beside `folder`, under its
            name and an ending, so that the command finds them again, or a temporary one.
        folder: where the run is kept. Without it nothing is left: the run lies in a temporary folder that goes with it.
        force: writes over the run that is in the folder.
        resume: takes up the run that is in the folder; of the options only `threads` and `epochs` may stand beside it.
        config: a file of settings.
        callbacks: see `Callback`. One that returns False ends training; what was learned by then is judged as ever.
        progress: a bar: True, False, or "auto" for terminals and notebooks.
        options: the command's flags with underscores, as learning_rate=0.01 or widths="64,64" (or [64, 64]).

    Ctrl-C ends training after the step and raises KeyboardInterrupt; in a folder `resume=True` takes it up again.

    >>> run = train("digits", train_size=200, test_size=50, widths="16", epochs=1, progress=False)
    >>> run.weights["0.weight"].shape, run.metrics["epoch"]
    ((16, 784), array([1]))
    """
    if "dataset" in options:
        raise TypeError("dataset: expected as the first argument, data")
    if resume:
        if folder is None:
            raise TypeError("resume = True: expected a folder, that of the run")
        beside = sorted(set(options) - {"threads", "epochs"}) + (["config"] if config else []) + (["force"] if force else [])
        if beside:
            raise TypeError(f"{', '.join(beside)} beside resume: expected none but threads and epochs, since the run's own are used")
    keep = Temporary() if folder is None else None
    place = keep.path / "run" if keep else Path(folder or "")
    if not resume:
        options["dataset"] = source(data, place)
    settings = settings_of(options, config)
    listener = Listener(callbacks, progress)
    try:
        _hsic.train(settings, None, place, "resume" if resume else "over" if force else "new", listener.every, listener)
    finally:
        listener.end()
    return Run(place, keep)


def compare(
    data: Any = "digits",
    *,
    methods: str | Iterable[str] = "all",
    budget: str | None = None,
    seeds: int = 1,
    batch_size: int | Iterable[int] = (),
    folder: str | Path | None = None,
    elsewhere: Iterable[str | Path | dict[str, Any]] = (),
    progress: Progress = "auto",
    **options: Any,
) -> Comparison:
    """Compares learning methods as the command `hsic compare` does: the same search for each one's learning rate.

    Trainings run one after the other in this process, so that peak memory is the process's, whatever the method; all else is
    the command's.

    Args:
        data: as for `train`.
        methods: names, each with its own options as hsic-local:beta=1, or "all".
        budget: of each training, as "10epochs" or "5min".
        seeds: trainings of each method with its best rate.
        batch_size: rows of a batch, or several sizes to be tried.
        folder: new, or that of a comparison that was interrupted. Without it nothing is left.
        elsewhere: trainings made elsewhere, as files or objects of the form that `write_elsewhere` writes.
        options: those of data and network that the command takes, with underscores, and `threads`.
    """
    if "dataset" in options:
        raise TypeError("dataset: expected as the first argument, data")
    allowed = {name for stage, names in _hsic.Settings.stages() if stage in ("data", "network") for name in names} | {"threads"}
    for name in options:
        if name not in allowed:
            raise TypeError(f"there is no option {name} of a comparison: expected those of data and network, and threads{_near(name, allowed)}; "
                            "a method's own stand behind its name, as hsic:beta=100")
    keep = Temporary() if folder is None else None
    place = keep.path / "comparison" if keep else Path(folder or "")
    options["dataset"] = source(data, place)
    named = methods if isinstance(methods, str) else ",".join(methods)
    sizes = [int(batch_size)] if isinstance(batch_size, (int, np.integer)) else [int(size) for size in batch_size]
    texts = [json.dumps(other) if isinstance(other, dict) else Path(other).read_text() for other in elsewhere]
    bar = Bar.of(progress)

    def hear(label: str, done: int, trainings: int) -> bool:
        if bar:
            bar.at(done, trainings, label)
        return True

    if isinstance(seeds, bool) or seeds < 1:
        raise ValueError(f"seeds = {seeds}: expected a whole number >= 1")
    try:
        told = _hsic.compare(settings_of(options, None), named, budget, seeds, sizes, place, texts, hear)
    finally:
        if bar:
            bar.end()
    return Comparison(json.loads(told or "{}"), place, keep)


class Comparison:
    """What a comparison came to."""

    def __init__(self, record: dict[str, Any], path: Path, keep: Any = None) -> None:
        #: As in `comparison.json`.
        self.record = record
        self.path, self._keep = path, keep

    @property
    def rows(self) -> Columns:
        """A row a method and seed."""
        found = []
        for row in self.record["rows"]:
            for index, accuracy in enumerate(row["test_accuracy"]):
                named = {"method": row["label"] or row["method"], "seed": (row.get("seeds") or self.record["seeds"])[index],
                         "test_accuracy": accuracy, "seconds": row["seconds"][index]}
                facts = {name: row[name] for name in ("learning_rate", "batch_size", "epochs", "parameters", "local", "parallel")}
                found.append({**named, **facts})
        return Columns.of(found)

    @property
    def failures(self) -> dict[str, str]:
        """Why a method has no accuracy, or not one of each seed."""
        return {row["label"] or row["method"]: row["failure"] for row in self.record["rows"] if row["failure"]}

    def plot(self) -> Figures:
        """Accuracy over time, and against memory."""
        return Figures([("Learning methods", (self.path / "figure.svg").read_text())])

    def __repr__(self) -> str:
        best = {row["label"] or row["method"]: float(np.mean(row["test_accuracy"])) for row in self.record["rows"] if row["test_accuracy"]}
        return f"Comparison({', '.join(f'{name} {value:.4f}' for name, value in best.items())})"

    def _repr_html_(self) -> str:
        return self.rows._repr_html_() + self.plot()._repr_html_()


def write_elsewhere(
    path: str | Path | None = None,
    *,
    label: str,
    made_by: str,
    dataset: str,
    runs: Iterable[dict[str, Any]],
    parameters: int = 0,
    batch_size: int = 0,
) -> dict[str, Any]:
    """What trainings made elsewhere came to, as a file that `compare(..., elsewhere=[path])` takes; checked.

    Args:
        label: what tells them from other rows, without commas.
        made_by: the program and its settings, in words.
        runs: of each seed `seed`, `test_accuracy` (a fraction) and `seconds`; also `epochs`, a list of `seconds` and
            `test_accuracy`, `milliseconds_per_step`, `peak_memory_bytes`.

    >>> write_elsewhere(label="Adam", made_by="torch", dataset="digits", runs=[{"seed": 1, "test_accuracy": 0.9, "seconds": 2.0}])["version"]
    1
    """
    told = {"version": 1, "label": label, "made_by": made_by, "dataset": dataset, "parameters": parameters,
            "batch_size": batch_size, "runs": list(runs)}
    text = _hsic.check_elsewhere(json.dumps(told))
    if path is not None:
        Path(path).write_text(text + "\n")
    return json.loads(text)  # type: ignore[no-any-return]


def settings_of(options: dict[str, Any], config: str | Path | None) -> _hsic.Settings:
    """Options as Rust takes them; those that are None count as not given."""
    given = {name: _plain(name, value) for name, value in options.items() if value is not None}
    return _hsic.Settings(json.dumps(given), None if config is None else Path(config))


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(name, entry) for entry in value]
    if isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{name} is of type {type(value).__name__}: expected a number, a text, a bool or a list of these")


def _near(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def source(data: Any, place: Path) -> str:
    """Name or path of data; samples are written beside `place`."""
    if isinstance(data, (str, Path)):
        return str(data)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f"{place.name}-data")
    if hasattr(data, "columns") and (hasattr(data, "to_csv") or hasattr(data, "write_csv")):
        path = beside.with_name(f"{beside.name}.csv")
        if hasattr(data, "to_csv"):
            data.to_csv(path, index=False)
        else:
            data.write_csv(path)
        return str(path)
    if isinstance(data, np.ndarray):
        path = beside.with_name(f"{beside.name}.npy")
        np.save(path, data)
        return str(path)
    if isinstance(data, (tuple, list)) and len(data) == 2:
        pairs = data if isinstance(data[0], tuple) and isinstance(data[1], tuple) else (data,)
        names = (("x_train", "y_train"), ("x_test", "y_test")) if len(pairs) == 2 else (("x", "y"),)
        path = beside.with_name(f"{beside.name}.npz")
        arrays = {name: _array(name, values) for both, pair in zip(names, pairs) for name, values in zip(both, pair)}
        np.savez(path, **arrays)
        return str(path)
    raise TypeError(f"data is of type {type(data).__name__}: expected a name, a path, (x, y), ((x, y), (x_test, y_test)), a frame or an "
                    "array")


def _array(name: str, values: Any) -> Any:
    """An array that a file holds without running code when it is read."""
    array = np.asarray(values)
    if array.dtype.kind == "O":
        array = np.asarray([str(entry) for entry in array.flat]).reshape(array.shape)
    return array
