"""Estimators for scikit-learn: networks trained block by block without back-propagation, and screening of features by HSIC.

Their defaults are the command's: `HSICClassifier().fit(X, y)` gives the weights of `hsic train` on a table of these rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _hsic
from ._listening import Listener, scalars
from ._progress import Progress
from ._statistics import _one_of, _seed, _threads, test
from ._training import settings_of

__all__ = ["HSICClassifier", "HSICRegressor", "HSICSelector"]

#: Rows of what `partial_fit` has seen that are kept for the readout.
_KEPT = 2048


class _Network(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What both estimators do. A fitted one holds the files of its run as bytes, tensors as safetensors: that is its pickle."""

    def __init__(
        self,
        *,
        method: str = "hsic",
        widths: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        sigma: Any = None,
        beta: float | None = None,
        standardize: bool = True,
        options: dict[str, Any] | None = None,
        validation_fraction: float = 0.0,
        callbacks: Iterable[Any] = (),
        progress: Progress = False,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.widths = widths
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.sigma = sigma
        self.beta = beta
        self.standardize = standardize
        self.options = options
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.progress = progress
        self.n_jobs = n_jobs
        self.random_state = random_state

    #: The files of the run, by their paths in its folder.
    _files: dict[str, bytes]
    _model: _hsic.Model | None
    #: Of what `partial_fit` has seen: some of the rows with what is to be learned of them, and how many there were.
    _sample: tuple[NDArray[Any], NDArray[np.float64]] | None
    _seen: int

    def fit(self, X: Any, y: Any) -> Any:
        """Trains a new network on rows X with targets y."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=2, **self._checks())
        targets, names = self._targets(y)
        train, held = self._divided(X, targets, names)
        data = _hsic.Data.of_rows(train, held, names, self.standardize, None)
        judged = () if held else ("test_accuracy",)
        listener = Listener(self.callbacks, self.progress, judged)
        with tempfile.TemporaryDirectory(prefix="hsic-") as folder:
            place = Path(folder) / "run"
            try:
                _hsic.train(self._settings(), data, place, "new", listener.every, listener)
            finally:
                listener.end()
            self._keep(place)
        records = [scalars(record) for record in listener.epochs]
        self.loss_curve_ = [float(np.mean(record["loss"])) for record in listener.epochs]
        self.n_iter_ = len(records)
        self._sample, self._seen = None, 0
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The features of all blocks, side by side, in single precision."""
        model, X = self._at_rest(X)
        return model.features(X, True, _threads(self.n_jobs))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_model", None)
        return state

    # What a kind of target needs of the rest.

    def _checks(self) -> dict[str, Any]:
        return {}

    def _targets(self, y: NDArray[Any]) -> tuple[NDArray[np.float64], list[str] | None]:
        """What is to be learned of each row as a number, and the names of the classes."""
        raise NotImplementedError

    # The network.

    def _settings(self) -> _hsic.Settings:
        given = dict(self.options or {})
        own = {"method": self.method, "widths": self.widths, "epochs": self.epochs, "batch_size": self.batch_size,
               "learning_rate": self.learning_rate, "sigma": self.sigma, "beta": self.beta}
        twice = [name for name, value in own.items() if name in given and value is not None and name != "method"]
        taken = [name for name in ("dataset", "standardize", "seed", "threads", "method") if name in given] + twice
        if taken:
            raise TypeError(f"options has {', '.join(taken)}: expected as the estimator's own parameter (seed is random_state, "
                            "threads n_jobs)")
        seed = 1 if self.random_state is None else _seed(self.random_state)
        # The run lies in memory; a state is saved at its end.
        return settings_of({"checkpoint_epochs": 2**32, **given, **own, "dataset": "arrays", "seed": seed % 2**63,
                            "threads": _threads(self.n_jobs) or None}, None)

    def _divided(self, X: NDArray[Any], targets: NDArray[np.float64], names: list[str] | None) -> tuple[Any, Any]:
        """Training rows, and those that are held out: of each class the share, but never all of it."""
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(f"validation_fraction = {self.validation_fraction}: expected a number in [0, 1)")
        if self.validation_fraction == 0:
            return (X, targets), None
        draw = np.random.default_rng(0 if self.random_state is None else _seed(self.random_state))
        held = np.zeros(len(X), dtype=bool)
        groups = [np.arange(len(X))] if names is None else [np.flatnonzero(targets == label) for label in range(len(names))]
        for rows in groups:
            count = min(round(self.validation_fraction * len(rows)), len(rows) - 1)
            held[draw.permutation(rows)[:count]] = True
        if not held.any():
            raise ValueError(f"validation_fraction = {self.validation_fraction}: expected more of {len(X)} samples")
        return (np.ascontiguousarray(X[~held]), targets[~held]), (np.ascontiguousarray(X[held]), targets[held])

    def _keep(self, place: Path) -> None:
        """Takes the files of a run into memory."""
        files = [path for path in sorted(place.rglob("*")) if path.is_file() and path.name not in ("lock", "metrics.jsonl")]
        self._files = {path.relative_to(place).as_posix(): path.read_bytes() for path in files}
        self._model = _hsic.Model(place) if "summary.json" in self._files else None

    def _put(self, place: Path) -> None:
        """Writes them into a folder."""
        for name, content in self._files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)

    def _at_rest(self, X: Any) -> tuple[_hsic.Model, NDArray[Any]]:
        """The network at rest, and rows that it takes."""
        check_is_fitted(self, "n_features_in_")
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        if getattr(self, "_model", None) is None:
            with tempfile.TemporaryDirectory(prefix="hsic-") as folder:
                place = Path(folder) / "run"
                self._put(place)
                if "summary.json" not in self._files:
                    assert self._sample is not None
                    data = _hsic.Data.of_rows(self._sample, None, self._names(), self.standardize, place)
                    _hsic.conclude_parts(data, place, _threads(self.n_jobs))
                self._keep(place)
        model = self._model
        assert model is not None
        return model, X

    def _names(self) -> list[str] | None:
        return None

    @property
    def _n_features_out(self) -> int:
        return self._at_rest(np.zeros((1, self.n_features_in_)))[0].feature_columns

    # Rows that come in parts.

    def _learn_part(self, X: NDArray[Any], targets: NDArray[np.float64], first: bool) -> None:
        with tempfile.TemporaryDirectory(prefix="hsic-") as folder:
            place = Path(folder) / "run"
            if first:
                self.n_iter_, self._sample, self._seen = 0, None, 0
            else:
                self._put(place)
                (place / "summary.json").unlink(missing_ok=True)
            data = _hsic.Data.of_rows((X, targets), None, self._names(), self.standardize, None if first else place)
            _hsic.learn_part(self._settings(), data, place, self.n_iter_)
            self._keep(place)
        self.n_iter_ += 1
        self._remember(X, targets)

    def _remember(self, X: NDArray[Any], targets: NDArray[np.float64]) -> None:
        """Keeps each row that was seen with the same probability (Vitter 1985, algorithm R), by draws that the count of rows fixes."""
        if self._sample is None:
            self._sample, self._seen = (X[:0].copy(), targets[:0].copy()), 0
        rows, kept = self._sample
        room = _KEPT - len(rows)
        rows, kept = np.concatenate([rows, X[:room]]), np.concatenate([kept, targets[:room]])
        draw = np.random.default_rng([self._seen, _KEPT])
        for index in range(max(room, 0), len(X)):
            place = int(draw.integers(0, self._seen + index + 1))
            if place < _KEPT:
                rows[place], kept[place] = X[index], targets[index]
        self._sample, self._seen = (rows, kept), self._seen + len(X)


class HSICClassifier(ClassifierMixin, _Network):  # type: ignore[misc]
    """A network that learns classes block by block, by the HSIC bottleneck or another method of `hsic methods`.

    Parameters that are None are the command's defaults; batch and epochs follow from the rows.

    Args:
        method: a learning method by name.
        widths: outputs of the blocks, as "64,64" or [64, 64].
        epochs, batch_size, learning_rate, sigma, beta: as the command's flags.
        standardize: columns by the training rows' mean and deviation.
        options: further flags of the command, as {"dropout": 0.2}.
        validation_fraction: share of the rows that is held out and judges; `test_accuracy` of callbacks is then theirs.
        callbacks: see `hsic.Callback`; one that returns False ends training.
        progress: True, False, or "auto" for a bar in terminals and notebooks.
        n_jobs: threads, all cores by default. The result is the same for any number.
        random_state: seed of the weights and of the order of rows; None is the command's, 1.

    Attributes:
        classes_, n_features_in_: as usual.
        n_iter_: epochs done.
        loss_curve_: mean loss of the blocks, by epoch.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> HSICClassifier(widths="32,32").fit(X, y).score(X, y) > 0.9
    True
    """

    def fit(self, X: Any, y: Any) -> HSICClassifier:
        """Trains a new network on rows X of classes y."""
        return super().fit(X, y)  # type: ignore[no-any-return]

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> HSICClassifier:
        """One pass over these rows, at a rate that does not fall.

        The first call needs all classes; columns are standardized by its rows. What reads the blocks (the softmax layer, and
        which unit stands for which class) is learned anew when it is asked for, from a sample of at most 2,048 of all rows seen.
        """
        first = not hasattr(self, "classes_")
        if first and classes is None:
            raise ValueError("classes is missing: expected all classes at the first call of partial_fit")
        X, y = validate_data(self, X, y, reset=first, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        if first:
            self.classes_ = np.unique(np.asarray(classes))
        elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise ValueError(f"classes = {classes}: expected those of the first call, {self.classes_}")
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y has the classes {unknown}: expected those of the first call, {self.classes_}")
        self._learn_part(X, np.searchsorted(self.classes_, y).astype(np.float64), first)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of each row."""
        model, X = self._at_rest(X)
        found: NDArray[Any] = self.classes_[model.classes(X, _threads(self.n_jobs))]
        return found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class, in the order of `classes_`."""
        model, X = self._at_rest(X)
        return model.probabilities(X, _threads(self.n_jobs))

    def _targets(self, y: NDArray[Any]) -> tuple[NDArray[np.float64], list[str] | None]:
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_[0]}: expected at least 2")
        if len(self.classes_) > 2**16:
            raise ValueError(f"y has {len(self.classes_)} classes: expected at most {2**16}")
        return labels.astype(np.float64), self._names()

    def _names(self) -> list[str]:
        return [str(label) for label in self.classes_]


class HSICRegressor(RegressorMixin, _Network):  # type: ignore[misc]
    """A network that learns values block by block; a line of the features of all blocks reads them, fitted by ridge regression.

    Its parameters are those of `HSICClassifier`; with values, `hsic` has defaults of its own, which are the command's.
    """

    def fit(self, X: Any, y: Any) -> HSICRegressor:
        """Trains a new network on rows X with values y."""
        return super().fit(X, y)  # type: ignore[no-any-return]

    def partial_fit(self, X: Any, y: Any) -> HSICRegressor:
        """One pass over these rows, at a rate that does not fall; the first call's rows standardize columns and values."""
        first = not hasattr(self, "n_features_in_")
        X, y = validate_data(self, X, y, reset=first, dtype=[np.float64, np.float32], y_numeric=True)
        self._learn_part(X, self._targets(y)[0], first)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The value of each row."""
        model, X = self._at_rest(X)
        return model.values(X, _threads(self.n_jobs))

    def _checks(self) -> dict[str, Any]:
        return {"y_numeric": True}

    def _targets(self, y: NDArray[Any]) -> tuple[NDArray[np.float64], list[str] | None]:
        return np.asarray(y, dtype=np.float64), None


class HSICSelector(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Selects the columns that depend most on the target, by HSIC of each one and the target, with p-values.

    Columns are looked at one by one: of two that say the same both are taken.

    Args:
        n_features_to_select: how many, or a share of them below 1; half of them by default.
        alpha: takes instead all columns with a p-value of at most so much, after Holm's correction for their number.
        kernel: of columns: gaussian (width: the median of distances), laplacian or linear. Classes have the delta kernel, values
            the columns' own.
        method, permutations: as for `hsic.test`.
        n_jobs: threads.
        random_state: of the permutations.

    Attributes:
        scores_: biased HSIC of each column and the target; of columns of one value 0.
        pvalues_: their p-values, not corrected.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> HSICSelector(2, permutations=99).fit(X, y).get_support()
    array([False, False,  True,  True])
    """

    def __init__(
        self,
        n_features_to_select: int | float | None = None,
        *,
        alpha: float | None = None,
        kernel: str = "gaussian",
        method: str = "permutation",
        permutations: int | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.alpha = alpha
        self.kernel = kernel
        self.method = method
        self.permutations = permutations
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> HSICSelector:
        """Measures how much each column of X depends on y."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=2)
        _one_of("kernel", self.kernel, ["gaussian", "laplacian", "linear"])
        classes = type_of_target(y) in ("binary", "multiclass")
        target = np.unique(y, return_inverse=True)[1] if classes else np.asarray(y, dtype=np.float64)
        options: dict[str, Any] = {"method": self.method, "n_jobs": self.n_jobs, "kernel_y": "delta" if classes else self.kernel}
        if self.method == "permutation":
            options |= {"permutations": self.permutations, "random_state": self.random_state}
        self.scores_, self.pvalues_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        for column in range(X.shape[1]):
            values = np.ascontiguousarray(X[:, column])
            if values.min() < values.max() and target.min() < target.max():
                found = test(values, target, kernel=self.kernel, **options)  # type: ignore[arg-type]
                self.scores_[column], self.pvalues_[column] = found.statistic, found.p_value
        self.support_ = self._chosen(X.shape[1])
        return self

    def _chosen(self, columns: int) -> NDArray[np.bool_]:
        order = np.argsort(-self.scores_, kind="stable")
        support = np.zeros(columns, dtype=bool)
        if self.alpha is not None:
            if not 0 < self.alpha < 1:
                raise ValueError(f"alpha = {self.alpha}: expected a number in (0, 1)")
            by_p = np.argsort(self.pvalues_, kind="stable")
            corrected = np.maximum.accumulate(self.pvalues_[by_p] * np.arange(columns, 0, -1))
            support[by_p[corrected <= self.alpha]] = True
            return support
        count = self.n_features_to_select
        if count is None:
            count = max(columns // 2, 1)
        elif isinstance(count, (float, np.floating)) and 0 < count < 1:
            count = max(round(count * columns), 1)
        elif count != int(count) or not 1 <= count <= columns:
            raise ValueError(f"n_features_to_select = {count}: expected a whole number of 1 to {columns}, or a share in (0, 1)")
        support[order[: int(count)]] = True
        return support

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
