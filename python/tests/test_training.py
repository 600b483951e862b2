"""Trainings, runs and comparisons: the command's files and bits, callbacks, what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import hsic
from hsic._columns import Columns

pytestmark = pytest.mark.filterwarnings("ignore::hsic.HsicWarning")

SMALL = {"train_size": 200, "test_size": 50, "widths": "16", "epochs": 2, "batch_size": 50, "progress": False}
COMMAND = os.environ.get("HSIC_COMMAND")


def command(*arguments):
    """The command with these arguments."""
    if not COMMAND:
        pytest.skip("HSIC_COMMAND names no program")
    run = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run


def drawn(rows=300, columns=5):
    draw = np.random.default_rng(1)
    x = draw.normal(size=(rows, columns))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def test_a_run_is_the_commands_bit_for_bit(tmp_path):
    options = {name: value for name, value in SMALL.items() if name != "progress"}
    command("train", "--dataset", "digits", "--run", tmp_path / "c", "--quiet", "--threads", 1,
            *(f"--{name.replace('_', '-')}={value}" for name, value in options.items()))
    run = hsic.train("digits", folder=tmp_path / "p", threads=2, **SMALL)
    assert sorted(path.name for path in run.path.iterdir()) == sorted(path.name for path in (tmp_path / "c").iterdir())
    for name in ("weights.safetensors", "format.safetensors", "readout.json", "data.json"):
        assert (run.path / name).read_bytes() == (tmp_path / "c" / name).read_bytes(), name
    assert "threads" not in (tmp_path / "c" / "config.toml").read_text().replace("threads = 1", "")
    ours, theirs = (path.joinpath("config.toml").read_text().splitlines() for path in (run.path, tmp_path / "c"))
    assert set(ours) ^ set(theirs) == {"threads = 1", "threads = 2"}


def test_what_is_given_may_be_samples_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    x, y = drawn()
    options = {"widths": [8], "epochs": 1, "progress": False}
    of_pair = hsic.train((x, y), **options)
    of_parts = hsic.train(((x[:200], y[:200]), (x[200:], y[200:])), **options)
    assert (of_parts.data["train_rows"], of_parts.data["test_rows"]) == (200, 100)
    assert of_pair.data["train_rows"] + of_pair.data["test_rows"] == 300
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": x[:, 0], "kind": np.where(x[:, 1] > 0, "high", "low"), "y": y})
    of_frame = hsic.train(frame, label_column="y", **options)
    assert of_frame.data["class_names"] == ["0", "1"] and of_frame.data["shape"]["width"] == 3
    # A column and its mean, by which rows that come later are standardized.
    means = of_parts.data["standardization"]["means"]
    assert np.allclose(means, x[:200].mean(0), rtol=0, atol=1e-12)
    probabilities = of_parts.predict_proba(x)
    assert probabilities.shape == (300, 2) and np.allclose(probabilities.sum(1), 1)
    assert np.array_equal(of_parts.predict(x), np.array(["0", "1"])[probabilities.argmax(1)])
    # What is said of a row does not depend on those beside it.
    assert np.array_equal(of_parts.predict_proba(x[:7]), probabilities[:7])
    del of_pair, of_parts, of_frame
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_read_as_columns_weights_and_figures(tmp_path):
    run = hsic.train("digits", folder=tmp_path / "run", monitor_steps=4, **SMALL)
    read = hsic.read_run(run.path)
    assert repr(read) == repr(run) and read.summary == json.loads((run.path / "summary.json").read_text())
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if line["type"] == "epoch"]
    assert read.metrics["test_accuracy"].tolist() == [line["test_accuracy"] for line in epochs]
    assert read.blocks["nhsic_y"].tolist() == [value for line in epochs for value in line["nhsic_y"]]
    assert list(zip(read.blocks["epoch"], read.blocks["block"])) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert len(read.monitor) == 2 and set(read.timeline["work"]) >= {"forward", "operator"}
    assert read.config["network"]["widths"] == "16"
    weights = read.weights
    assert weights["0.weight"].shape == (16, 784) and weights["format.weight"].shape == (10, 26)
    # A forward pass by NumPy on what is in the files gives the features.
    x = np.random.default_rng(0).random((70, 784)).astype(np.float32)
    z = x @ weights["0.weight"].T.astype(float) + weights.get("0.bias", 0)
    z = (z - weights["1.running_mean"]) / np.sqrt(weights["1.running_var"] + 1e-5)
    assert np.allclose(np.maximum(z, 0), read.features(x)[:, :16], rtol=0, atol=2e-4)
    assert read.features(x, blocks="last").shape == (70, 10)
    figures = read.plot()
    assert "Accuracy" in figures.pictures and all(svg.startswith("<svg") for svg in figures.pictures.values())
    assert [path.suffix for path in figures.save(tmp_path / "figures")] == [".svg"] * len(figures.pictures)
    assert "format_accuracy=" in read._repr_html_()


def test_values_are_learned_and_read():
    draw = np.random.default_rng(2)
    x = draw.normal(size=(400, 3))
    y = 10 + 3 * np.sin(x[:, 0])
    run = hsic.train(((x[:300], y[:300]), (x[300:], y[300:])), widths="32", progress=False, task="regression")
    assert list(run.metrics)[-4:] == ["train_r2", "train_rmse", "test_r2", "test_rmse"]
    missed, spread = run.predict(x[300:]) - y[300:], y[300:] - y[300:].mean()
    r2 = 1 - (missed**2).sum() / (spread**2).sum()
    # What the training said of the same rows, which it computed in other portions: sums in single precision.
    assert abs(r2 - run.summary["test_r2"]) < 1e-5 and r2 > 0.5
    with pytest.raises(ValueError, match="the run learned values, which have no probabilities"):
        run.predict_proba(x)


class Hears(hsic.Callback):
    def __init__(self, stops_at=None, raises_at=None):
        self.steps, self.epochs, self.stops_at, self.raises_at = [], [], stops_at, raises_at

    def on_step(self, step, total):
        self.steps.append((step, total))
        if step == self.raises_at:
            raise RuntimeError("of a callback")
        return step != self.stops_at

    def on_epoch(self, record):
        self.epochs.append(record)


def test_callbacks_hear_every_step_and_stop_training_at_it(tmp_path):
    heard = Hears()
    run = hsic.train("digits", callbacks=[heard], folder=tmp_path / "all", **SMALL)
    assert heard.steps == [(step, 8) for step in range(1, 9)] and [record["epoch"] for record in heard.epochs] == [1, 2]
    assert heard.epochs[1]["test_accuracy"] == run.metrics["test_accuracy"][1]
    stops = Hears(stops_at=3)
    short = hsic.train("digits", callbacks=[stops], folder=tmp_path / "short", **SMALL)
    assert len(stops.steps) == 3 and short.summary["steps"] == 3
    assert short.predict(np.zeros((2, 784), np.float32)).shape == (2,)
    with pytest.raises(RuntimeError, match="of a callback"):
        hsic.train("digits", callbacks=[Hears(raises_at=2)], folder=tmp_path / "raised", **SMALL)
    assert hsic.read_run(tmp_path / "raised").summary is None
    # Taken up, both come to the bits of the training that was not stopped.
    for name in ("short", "raised"):
        resumed = hsic.train(folder=tmp_path / name, resume=True, progress=False)
        assert all(np.array_equal(resumed.weights[key], values) for key, values in run.weights.items()), name
    longer = hsic.train(folder=tmp_path / "all", resume=True, epochs=3, progress=False)
    assert longer.summary["epochs"] == 3


def test_training_ends_when_a_number_no_longer_rises():
    early = hsic.EarlyStopping("train_accuracy", patience=2, minimum_rise=2.0)
    options = SMALL | {"epochs": 9}
    assert len(hsic.train("digits", callbacks=[early], **options).metrics["epoch"]) == 3
    with pytest.raises(ValueError, match="monitor = magic: expected one of epoch, "):
        hsic.train("digits", callbacks=[hsic.EarlyStopping("magic")], **SMALL)
    with pytest.raises(TypeError, match="has none of on_step, on_epoch and on_warning"):
        hsic.train("digits", callbacks=[3], **SMALL)


@pytest.mark.skipif(os.name != "posix", reason="signals as on Unix")
def test_control_c_ends_training(tmp_path):
    # Whoever runs the tests may ignore the signal, as what is started in the background of a script does.
    script = f"""
import hsic, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
class Ready(hsic.Callback):
    def on_step(self, step, total):
        if step == 3: print("ready", flush=True)
try:
    hsic.train("digits", folder={str(tmp_path / 'run')!r}, epochs=100000, widths="16", train_size=500, test_size=50, callbacks=[Ready()])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            start = time.perf_counter()
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            assert time.perf_counter() - start < 5
        finally:
            process.kill()
    assert (tmp_path / "run" / "checkpoint" / "state.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lerning_rate": 1}, TypeError, "there is no option lerning_rate: .*did you mean learning_rate"),
        ({"epochs": "many"}, ValueError, 'epochs = many: invalid type: string "many"'),
        ({"epochs": {}}, TypeError, "epochs is of type dict: expected a number, a text, a bool or a list"),
        ({"beta": -1}, ValueError, "beta = -1: expected a finite number >= 0"),
        ({"recompute": "auto"}, ValueError, "recompute = auto: expected not given for hsic, which does not read it"),
        ({"data": "mnits"}, ValueError, "no data set is called mnits: .*did you mean mnist"),
        ({"data": "no/such.csv"}, FileNotFoundError, "no/such.csv"),
        ({"data": 3}, TypeError, "data is of type int: expected a name, a path"),
        ({"dataset": "digits"}, TypeError, "dataset: expected as the first argument"),
        ({"resume": True}, TypeError, "resume = True: expected a folder"),
        ({"resume": True, "folder": "x", "beta": 3}, TypeError, "beta beside resume: expected none but threads and epochs"),
        ({"resume": True, "folder": "no-run"}, ValueError, "no-run: no config.toml"),
        ({"config": "no.toml"}, FileNotFoundError, "no.toml"),
    ],
)
def test_what_cannot_be_trained_is_named(options, error, words):
    with pytest.raises(error, match=words):
        hsic.train(**{"progress": False, **options})


def test_a_folder_is_not_written_over_unless_asked(tmp_path):
    hsic.train("digits", folder=tmp_path / "run", **SMALL)
    with pytest.raises(ValueError, match="is not empty: expected a new folder"):
        hsic.train("digits", folder=tmp_path / "run", **SMALL)
    assert hsic.train("digits", folder=tmp_path / "run", force=True, **SMALL | {"epochs": 1}).summary["epochs"] == 1


def test_settings_may_stand_in_a_file(tmp_path):
    (tmp_path / "mine.toml").write_text('[network]\nwidths = "8"\n[training]\nepochs = 1\n')
    run = hsic.train("digits", config=tmp_path / "mine.toml", train_size=100, test_size=20, epochs=2, progress=False)
    assert run.weights["0.weight"].shape == (8, 784) and run.summary["epochs"] == 2


def test_a_comparison_has_a_row_a_method_and_those_made_elsewhere(tmp_path):
    options = {"budget": "1epochs", "widths": "8", "train_size": 100, "test_size": 20, "progress": False}
    made = [{"seed": 7, "test_accuracy": 0.5, "seconds": 3.0, "epochs": [{"seconds": 3.0, "test_accuracy": 0.5}]}]
    hsic.write_elsewhere(tmp_path / "adam.json", label="Adam", made_by="torch", dataset="digits", runs=made)
    found = hsic.compare("digits", methods=["hsic", "backprop:learning-rate=0.01"], folder=tmp_path / "c",
                         elsewhere=[tmp_path / "adam.json"], **options)
    assert found.rows["method"].tolist() == ["hsic", "backprop:learning-rate=0.01", "Adam"]
    assert found.rows["seed"].tolist() == [1, 1, 7] and found.rows["test_accuracy"][2] == 0.5 and found.failures == {}
    assert json.loads((tmp_path / "c" / "comparison.json").read_text()) == found.record
    assert "Adam,,,1,7,0.5,3" in (tmp_path / "c" / "comparison.csv").read_text()
    assert "Adam" in found.plot().pictures["Learning methods"] and "Adam 0.5000" in repr(found)
    # The trainings are found again, and are those of the command.
    again = hsic.compare("digits", methods="hsic,backprop:learning-rate=0.01", folder=tmp_path / "c", **options)
    assert again.record["rows"] == found.record["rows"][:2]
    command("compare", "--methods", "hsic", "--dataset", "digits", "--budget", "1epochs", "--widths", "8", "--train-size", 100,
            "--test-size", 20, "--output", tmp_path / "d", "--quiet")
    theirs = json.loads((tmp_path / "d" / "comparison.json").read_text())["rows"][0]
    assert theirs["test_accuracy"] == found.record["rows"][0]["test_accuracy"]
    assert theirs["trials"] == found.record["rows"][0]["trials"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"methods": "hsci"}, ValueError, "did you mean hsic"),
        ({"budget": "soon"}, ValueError, "budget: expected a time as 5min"),
        ({"beta": 3}, TypeError, "there is no option beta of a comparison"),
        ({"width": 3}, TypeError, "there is no option width of a comparison: .*did you mean widths"),
        ({"seeds": 0}, ValueError, "seeds = 0: expected a whole number >= 1"),
        ({"elsewhere": [{"version": 3}]}, ValueError, "trainings made elsewhere: missing field"),
    ],
)
def test_what_cannot_be_compared_is_named(options, error, words):
    with pytest.raises(error, match=words):
        hsic.compare("digits", progress=False, **options)


def test_records_of_trainings_made_elsewhere_are_checked():
    with pytest.raises(ValueError, match=r"runs\[0\].test_accuracy = 97.5: expected a fraction, 0 to 1"):
        hsic.write_elsewhere(label="a", made_by="b", dataset="c", runs=[{"seed": 1, "test_accuracy": 97.5, "seconds": 1.0}])


def test_columns_become_frames():
    columns = Columns.of([{"a": 1, "b": 0.5}, {"a": 2, "c": "x"}])
    assert columns["a"].dtype.kind == "i" and np.isnan(columns["b"][1]) and columns["c"].tolist() == [None, "x"]
    for library in ("pandas", "polars"):
        pytest.importorskip(library)
        assert list(columns.to_frame(library).columns) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="library = numpy: expected pandas or polars"):
        columns.to_frame("numpy")
    assert columns._repr_html_().count("<td>") == 6


def test_a_bar_is_drawn_where_it_is_asked_for(capsys):
    hsic.train("digits", **SMALL | {"progress": True})
    drawn = capsys.readouterr().err
    assert "[========================] 8/8" in drawn and "test_accuracy 0." in drawn and drawn.endswith("\n")
    hsic.train("digits", **SMALL | {"progress": "auto"})
    assert capsys.readouterr().err == ""


def test_a_run_is_drawn_by_matplotlib_where_it_is_there():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    _, ax = pyplot.subplots()
    run = hsic.train("digits", **SMALL)
    run.plot(ax=ax)
    assert ax.lines[0].get_ydata().tolist() == run.metrics[ax.lines[0].get_label().replace(" ", "_")].tolist()
    pyplot.close("all")


def test_nothing_is_trained_into_a_path_that_is_a_file(tmp_path):
    Path(tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        hsic.train("digits", folder=tmp_path / "file", **SMALL)


def test_runs_below_a_folder_are_listed(tmp_path):
    trained = [hsic.train("digits", folder=tmp_path / "deep" / f"run{seed}", seed=seed, **SMALL) for seed in (2, 10)]
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.toml").write_text("no table")
    found = hsic.runs(tmp_path)
    assert [Path(run["run"]).name for run in found] == ["broken", "run2", "run10"]
    assert [run["state"] for run in found] == ["unreadable", "finished", "finished"]
    assert [run["accuracy"] for run in found[1:]] == [run.summary["format_accuracy"] for run in trained]
    assert found[1]["options"]["batch-size"] == 50
    assert hsic.runs(tmp_path, "seed>=3") == hsic.runs(str(tmp_path), ["seed=10", "state=finished"]) == found[2:]
    with pytest.raises(ValueError, match="acuracy: no such key.*did you mean accuracy"):
        hsic.runs(tmp_path, "acuracy>0.5")
    with pytest.raises(ValueError, match="expected a key"):
        hsic.runs(tmp_path, "accuracy")
    with pytest.raises(OSError, match="nowhere"):
        hsic.runs(tmp_path / "nowhere")
