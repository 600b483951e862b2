"""The estimators: scikit-learn's own checks, the command's bits, rows in parts, pickles."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import hsic

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_digits, load_iris  # noqa: E402
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from hsic.sklearn import HSICClassifier, HSICRegressor, HSICSelector  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::hsic.HsicWarning")
LONG = pytest.mark.skipif(not os.environ.get("HSIC_LONG"), reason="takes a minute: HSIC_LONG=1 asks for it")
SMALL = {"widths": "32,32"}


@pytest.mark.parametrize(
    "estimator",
    [
        HSICClassifier(**SMALL),
        HSICRegressor(**SMALL),
        HSICSelector(permutations=50),
        HSICSelector(alpha=0.05, method="gamma"),
        pytest.param(HSICClassifier(), marks=LONG),
        pytest.param(HSICRegressor(), marks=LONG),
        pytest.param(HSICClassifier(method="hsic-local"), marks=LONG),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks(estimator):
    told = check_estimator(estimator, on_fail=None)
    failed = {check["check_name"]: check["exception"] for check in told if check["status"] == "failed"}
    assert failed == {} and sum(check["status"] == "passed" for check in told) > 40


def test_importing_hsic_does_not_load_scikit_learn():
    script = "import sys, hsic; assert 'sklearn' not in sys.modules; hsic.sklearn; assert 'sklearn' in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("options", [{}, {"widths": [16], "epochs": 3, "learning_rate": 0.01, "random_state": 5}])
def test_a_classifier_is_the_command_on_the_same_rows(options, tmp_path):
    program = os.environ.get("HSIC_COMMAND")
    if not program:
        pytest.skip("HSIC_COMMAND names no program")
    x, y = load_iris(return_X_y=True)
    np.savez(tmp_path / "rows.npz", x_train=x, y_train=y, x_test=x[::7], y_test=y[::7])
    flags = {"random_state": "seed", "learning_rate": "learning-rate"}
    given = [f"--{flags.get(name, name)}={'16' if name == 'widths' else value}" for name, value in options.items()]
    run = tmp_path / "run"
    subprocess.run([program, "train", "--dataset", tmp_path / "rows.npz", "--run", run, "--quiet", *given], check=True,
                   capture_output=True)
    for n_jobs in (1, 2):
        fitted = HSICClassifier(n_jobs=n_jobs, **options).fit(x, y)
        for name in ("weights.safetensors", "readout.json", "format.safetensors"):
            assert fitted._files[name] == (run / name).read_bytes(), name
    assert fitted.n_iter_ == hsic.read_run(run).summary["epochs"]
    # Its probabilities are the run's, and so the command's.
    assert np.array_equal(fitted.predict_proba(x), hsic.read_run(run).predict_proba(x))


def test_a_regressor_is_the_command_on_the_same_rows(tmp_path):
    program = os.environ.get("HSIC_COMMAND")
    if not program:
        pytest.skip("HSIC_COMMAND names no program")
    x = np.random.default_rng(3).normal(size=(200, 4))
    y = x[:, 0] ** 2 + x[:, 1]
    np.savez(tmp_path / "rows.npz", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])
    run = tmp_path / "run"
    subprocess.run([program, "train", "--dataset", tmp_path / "rows.npz", "--run", run, "--quiet", "--widths", "32,32"], check=True,
                   capture_output=True)
    fitted = HSICRegressor(**SMALL).fit(x, y)
    for name in ("weights.safetensors", "line.safetensors"):
        assert fitted._files[name] == (run / name).read_bytes(), name
    assert np.array_equal(fitted.predict(x), hsic.read_run(run).predict(x))
    assert fitted.score(x, y) > 0.9


@LONG
def test_digits_by_default():
    x, y = load_digits(return_X_y=True)
    scores = cross_val_score(HSICClassifier(), x, y, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    assert scores.mean() >= 0.97, scores


def test_pipelines_grids_and_features():
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    grid = GridSearchCV(make_pipeline(StandardScaler(), HSICClassifier(epochs=15, **SMALL)),
                        {"hsicclassifier__beta": [100.0, 500.0]}, cv=3).fit(x, names)
    assert grid.best_score_ > 0.9 and set(grid.predict(x)) == set(names)
    fitted = HSICClassifier(epochs=15, **SMALL).fit(x, names)
    features = fitted.transform(x)
    # Two blocks and the outputs, in single precision.
    assert features.shape == (150, 67) and features.dtype == np.float32
    assert len(fitted.get_feature_names_out()) == 67
    assert len(fitted.loss_curve_) == 15 == fitted.n_iter_
    with pytest.raises(ValueError, match="X has 3 features, but HSICClassifier is expecting 4"):
        fitted.predict(x[:, :3])


def test_a_pickle_is_the_run_with_its_tensors_as_safetensors():
    x, y = load_iris(return_X_y=True)
    fitted = HSICClassifier(epochs=5, **SMALL).fit(x, y)
    state = fitted.__getstate__()
    assert "_model" not in state
    raw = state["_files"]["weights.safetensors"]
    assert raw[8 : 8 + int.from_bytes(raw[:8], "little")].startswith(b'{"')
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(x), fitted.predict_proba(x))
    # It goes on as the one that was not pickled.
    for model in (again, fitted):
        model.partial_fit(x, y)
    assert np.array_equal(again.predict_proba(x), fitted.predict_proba(x))
    assert "summary.json" not in clone(fitted).__dict__.get("_files", {})


def test_rows_may_come_in_parts():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    model = HSICClassifier(batch_size=64, **SMALL)
    with pytest.raises(ValueError, match="classes is missing: expected all classes at the first call"):
        model.partial_fit(x, y)
    for _ in range(6):
        for part in range(0, 1500, 500):
            model.partial_fit(x[part : part + 500], y[part : part + 500], classes=np.arange(10))
    assert model.n_iter_ == 18 and model.score(x[1500:], y[1500:]) > 0.9
    # More rows were seen than are kept, and all of them have a chance.
    kept = model._sample[0]
    assert len(kept) == 2048 and model._seen == 9000
    again = HSICClassifier(batch_size=64, **SMALL)
    for _ in range(6):
        for part in range(0, 1500, 500):
            again = pickle.loads(pickle.dumps(again.partial_fit(x[part : part + 500], y[part : part + 500], classes=np.arange(10))))
    assert np.array_equal(again.predict_proba(x[:9]), model.predict_proba(x[:9]))
    with pytest.raises(ValueError, match=r"y has the classes \[11\]: expected those of the first call"):
        model.partial_fit(x[:9], np.full(9, 11))


def test_values_may_come_in_parts():
    x = np.random.default_rng(4).normal(size=(600, 3))
    y = np.sin(2 * x[:, 0])
    model = HSICRegressor(batch_size=50, **SMALL)
    for _ in range(10):
        for part in range(0, 600, 200):
            model.partial_fit(x[part : part + 200], y[part : part + 200])
    assert model.score(x, y) > 0.8


class Stops(hsic.Callback):
    def __init__(self):
        self.records = []

    def on_epoch(self, record):
        self.records.append(record)
        return record["epoch"] < 3


def test_callbacks_end_a_fit_and_hear_of_rows_that_are_held_out():
    x, y = load_iris(return_X_y=True)
    heard = Stops()
    fitted = HSICClassifier(callbacks=[heard], **SMALL).fit(x, y)
    assert fitted.n_iter_ == 3 and fitted.score(x, y) > 0.6
    assert "test_accuracy" not in heard.records[0] and "train_accuracy" in heard.records[0]
    heard = Stops()
    HSICClassifier(callbacks=[heard], validation_fraction=0.2, **SMALL).fit(x, y)
    # Ten of each class judge.
    assert (30 * heard.records[0]["test_accuracy"]) % 1 < 1e-9
    with pytest.raises(ValueError, match="validation_fraction = 1.5: expected a number in"):
        HSICClassifier(validation_fraction=1.5).fit(x, y)
    with pytest.raises(TypeError, match="options has seed: expected as the estimator's own parameter"):
        HSICClassifier(options={"seed": 3}).fit(x, y)
    with pytest.raises(TypeError, match="there is no option magic"):
        HSICClassifier(options={"magic": 3}).fit(x, y)


def test_columns_are_chosen_by_their_dependence():
    draw = np.random.default_rng(5)
    x = draw.normal(size=(200, 6))
    x[:, 4] = 1.0
    y = x[:, 1] ** 2 + 0.1 * draw.normal(size=200)
    found = HSICSelector(1).fit(x, y)
    assert found.get_support().tolist() == [False, True, False, False, False, False]
    for column in (0, 1):
        alone = hsic.test(x[:, column], y)
        assert (found.scores_[column], found.pvalues_[column]) == (alone.statistic, alone.p_value)
    assert (found.scores_[4], found.pvalues_[4]) == (0.0, 1.0)
    by_p = HSICSelector(alpha=0.05).fit(x, y)
    # Six times 1/1001 is below 0.05; Holm's correction lets no other through.
    assert by_p.get_support().tolist() == found.get_support().tolist()
    labels = np.where(x[:, 2] > 0, "a", "b")
    assert HSICSelector(1, method="gamma").fit(x, labels).get_support()[2]
    with pytest.raises(ValueError, match="n_features_to_select = 9: expected a whole number of 1 to 6"):
        HSICSelector(9).fit(x, y)
