"""Records as columns: arrays by name, and frames of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Columns(Mapping[str, NDArray[Any]]):
    """Arrays of one length by name.

    >>> Columns.of([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "note": "end"}])["loss"]
    array([0.5 , 0.25])
    """

    def __init__(self, columns: dict[str, NDArray[Any]]) -> None:
        self._columns = columns

    @classmethod
    def of(cls, rows: Iterable[dict[str, Any]]) -> Columns:
        """Of rows; what a row lacks is NaN among numbers, None among others."""
        rows = list(rows)
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {}
        for name in names:
            values = [row.get(name) for row in rows]
            if all(isinstance(value, (int, float, type(None))) for value in values):
                whole = all(isinstance(value, int) for value in values)
                columns[name] = np.array([np.nan if value is None else value for value in values], None if whole else float)
            else:
                columns[name] = np.array(values, dtype=object)
        return cls(columns)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def rows(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def to_frame(self, library: str = "pandas") -> Any:
        """A data frame of pandas or polars."""
        if library not in ("pandas", "polars"):
            raise ValueError(f"library = {library}: expected pandas or polars")
        from importlib import import_module

        return import_module(library).DataFrame(dict(self))

    def __repr__(self) -> str:
        return f"Columns({self.rows} rows: {', '.join(self)})"

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{escape(name)}</th>" for name in self)
        shown = min(self.rows, 20)
        body = "".join("<tr>" + "".join(f"<td>{escape(_told(column[row]))}</td>" for column in self.values()) + "</tr>"
                       for row in range(shown))
        more = f"<caption>{self.rows - shown} more rows</caption>" if shown < self.rows else ""
        return f"<table>{more}<tr>{head}</tr>{body}</table>"


def _told(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)
