"""Which class an output unit stands for: training by HSIC fixes no order of the units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def fit(counts: NDArray[Any]) -> NDArray[np.int64]:
    """The class of each unit, by the one assignment of classes to distinct units that gets most samples right.

    `counts[k, u]` says how many samples of class k have their largest output at unit u. A unit that is left over stands for its
    most frequent class. Shortest augmenting paths (Kuhn 1955; Jonker and Volgenant 1987), O(classes^2 units).

    >>> fit(np.array([[5, 9, 0], [4, 8, 7]]))
    array([0, 0, 1])
    """
    classes, units = counts.shape
    columns = max(classes, units)
    cost = np.zeros((classes, columns))
    cost[:, :units] = -counts
    # Index 0 is a dummy row and column; `row_of` has the row (from 1) that holds a column, 0 if none does.
    of_rows, of_columns = np.zeros(classes + 1), np.zeros(columns + 1)
    row_of = np.zeros(columns + 1, dtype=np.int64)
    for row in range(1, classes + 1):
        row_of[0], current = row, 0
        slack = np.full(columns + 1, np.inf)
        previous = np.zeros(columns + 1, dtype=np.int64)
        visited = np.zeros(columns + 1, dtype=bool)
        while True:
            visited[current] = True
            holder = row_of[current]
            reduced = cost[holder - 1] - of_rows[holder] - of_columns[1:]
            better = ~visited[1:] & (reduced < slack[1:])
            slack[1:][better] = reduced[better]
            previous[1:][better] = current
            following = int(np.argmin(np.where(visited[1:], np.inf, slack[1:]))) + 1
            step = slack[following]
            of_rows[row_of[visited]] += step
            of_columns[visited] -= step
            slack[~visited] -= step
            current = following
            if row_of[current] == 0:
                break
        while current != 0:
            row_of[current] = row_of[previous[current]]
            current = int(previous[current])
    class_of_unit: NDArray[np.int64] = counts.argmax(0).astype(np.int64)
    for column in range(1, units + 1):
        if row_of[column] > 0:
            class_of_unit[column - 1] = row_of[column] - 1
    return class_of_unit
