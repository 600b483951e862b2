"""From what users have to contiguous arrays of float32 or float64, one sample a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Table(NamedTuple):
    """Rows as numbers; `words` if they were words, of which only equality means something."""

    values: NDArray[Any]
    words: bool


def table(name: str, data: Any, *, delta: bool = False) -> Table:
    """The rows of `data`.

    Contiguous arrays of float32 and float64 are taken as they lie; all else is copied once: other types of numbers become
    float64 (float16 becomes float32), other memory layouts contiguous. Columns of words become numbers that are equal where
    the words are. With `delta` only the equality of rows will be asked for, so that words may stand beside numbers.
    """
    data = _on_cpu(name, data)
    if hasattr(data, "columns") and hasattr(data, "dtypes"):
        return _frame(name, data, delta)
    if hasattr(data, "toarray") and not isinstance(data, np.ndarray):
        raise TypeError(f"{name} is a sparse array: expected a dense one, which {name}.toarray() makes")
    if isinstance(data, np.ma.MaskedArray):
        if np.ma.getmaskarray(data).any():
            raise ValueError(f"{name} has masked entries: expected none, as after {name}.compressed() or an imputation")
        data = data.data
    dtype = str(getattr(data, "dtype", ""))
    if dtype == "category" or dtype.startswith(("Categorical", "Enum")):
        return Table(_coded(name, np.asarray(data, dtype=object)[:, None]), True)
    array = np.asarray(data)
    if array.dtype.kind in "US" and not hasattr(data, "dtype"):
        # A list of words and numbers would become words without a word.
        array = np.asarray(data, dtype=object)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        remedy = f"; {name}.reshape(len({name}), -1) makes a row of each sample" if array.ndim > 2 else ""
        raise ValueError(f"{name} has {array.ndim} dimensions: expected one sample a row{remedy}")
    words = array.dtype.kind in "USO" and not _all_numbers(array)
    if words:
        if array.dtype.kind == "O" and not delta and any(_is_number(entry) for entry in array.flat):
            raise ValueError(f"{name} has words beside numbers: expected one kind, or kernel='delta', which asks whether whole "
                             "rows are equal")
        return Table(_coded(name, array), True)
    if delta and array.dtype.kind in "iu":
        # Whole numbers beyond 2^53 must not become equal by rounding.
        return Table(_coded(name, array), False)
    return Table(numbers(name, array), False)


def pair(x: Table, y: Table) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both in one type: float64 unless both are float32."""
    if x.values.dtype == y.values.dtype:
        return x.values, y.values
    return x.values.astype(np.float64, copy=False), y.values.astype(np.float64, copy=False)


def numbers(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array itself if it is a contiguous one of float32 or float64, else a copy that is."""
    kind = array.dtype.kind
    if kind == "O":
        array = array.astype(np.float64)
    elif kind not in "biuf":
        raise TypeError(f"{name} is of type {array.dtype}: expected numbers, or words")
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    wanted: np.dtype[Any] = np.dtype(np.float32 if single else np.float64)
    # Of the machine's own byte order, and aligned.
    array = np.require(array, dtype=wanted, requirements="A")
    contiguous = array.flags.c_contiguous or array.flags.f_contiguous
    return array if contiguous else np.ascontiguousarray(array)


def _on_cpu(name: str, data: Any) -> Any:
    """A tensor of PyTorch without its graph; on the CPU, where an array can share its memory."""
    if type(data).__module__.partition(".")[0] != "torch" or not hasattr(data, "detach"):
        return data
    if data.device.type != "cpu":
        raise TypeError(f"{name} is on {data.device}: expected a tensor on the CPU, which {name}.cpu() makes")
    data = data.detach()
    return data.float() if str(data.dtype) == "torch.bfloat16" else data


def _frame(name: str, frame: Any, delta: bool) -> Table:
    """A data frame of pandas or polars: all columns numbers, or all of them words."""
    columns = list(frame.columns)
    arrays = [frame[column].to_numpy() if len(columns) == len(set(columns)) else frame.iloc[:, index].to_numpy()
              for index, column in enumerate(columns)]
    types = [str(dtype) for dtype in frame.dtypes]
    category = [dtype == "category" or dtype.startswith(("Categorical", "Enum")) for dtype in types]
    words = [index for index, array in enumerate(arrays)
             if category[index] or (array.dtype.kind in "USO" and not _all_numbers(array))]
    if not words:
        for column, array in zip(columns, arrays):
            if array.dtype.kind not in "biufO":
                raise TypeError(f"{name}, column {column!r} is of type {array.dtype}: expected numbers, or words")
        if delta and any(array.dtype.kind in "iu" for array in arrays):
            return Table(_by_column(name, columns, arrays), False)
        # A frame of one block gives a view of it.
        whole = frame.to_numpy()
        if whole.dtype.kind == "O":
            whole = np.column_stack([array.astype(np.float64) for array in arrays])
        return Table(numbers(name, whole), False)
    if len(words) < len(columns) and not delta:
        raise ValueError(f"{name} has words in column {columns[words[0]]!r} beside columns of numbers: expected one kind, or "
                         "kernel='delta', which asks whether whole rows are equal")
    return Table(_by_column(name, columns, arrays), True)


def _by_column(name: str, columns: list[Any], arrays: list[NDArray[Any]]) -> NDArray[np.float64]:
    coded = [_coded(f"{name}, column {column!r}", array[:, None]) for column, array in zip(columns, arrays)]
    return np.asfortranarray(np.hstack(coded))


def _coded(name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    """Numbers that are equal where entries are, column by column."""
    out = np.empty(array.shape, dtype=np.float64, order="F")
    for column in range(array.shape[1]):
        codes: dict[Any, int] = {}
        for row, entry in enumerate(array[:, column].tolist()):
            # None, NaN and NA are not equal to themselves, or no values at all.
            if entry is None or type(entry).__name__ in ("NAType", "NaTType") or entry != entry:
                place = f"{name}[{row}, {column}]" if array.shape[1] > 1 else f"{name}, row {row}"
                raise ValueError(f"{place} is missing: expected a value in every row")
            out[row, column] = codes.setdefault(entry, len(codes))
    return out


def _is_number(entry: Any) -> bool:
    return isinstance(entry, (bool, int, float, np.number, np.bool_))


def _all_numbers(array: NDArray[Any]) -> bool:
    return array.dtype.kind == "O" and all(_is_number(entry) for entry in array.flat)
