"""Reads what a run is for TensorBoard with TensorBoard's own reader: `python events.py COMMAND`.

Needs tensorboard. Every number of the records is a point of a curve, to single precision; histograms have every weight; the
confusion table is a picture. What a training wrote while it was at work, interrupted and taken up, has the same curves.
"""

import json
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TRAINING = ("train --train-size 600 --test-size 100 --widths 32x2 --batch-size 50 --epochs 30 --format-epochs 3 "
            "--monitor-steps 7 --quiet")
EVERYTHING = {"scalars": 0, "histograms": 0, "images": 0, "compressedHistograms": 1, "tensors": 0}


def read(folder):
    found = EventAccumulator(str(folder), size_guidance=EVERYTHING)
    found.Reload()
    return found


def curves(found):
    return {tag: [(point.step, point.value) for point in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def single(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def expected(run):
    told = {}
    add = lambda tag, step, value: told.setdefault(tag, []).append((step, single(value)))
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["type"] == "epoch":
            step = record["step"]
            add("epoch", step, record["epoch"])
            add("learning rate", step, record["learning_rate"])
            add("accuracy/training", step, record["train_accuracy"])
            add("accuracy/test", step, record["test_accuracy"])
            names = [("loss", "loss"), ("nhsic_x", "nHSIC(X, Z)"), ("nhsic_y", "nHSIC(Y, Z)")]
        elif record["type"] == "monitor":
            step = record["step"]
            add("accuracy/batch", step, record["batch_accuracy"])
            names = [("nhsic_x", "monitor nHSIC(X, Z)"), ("nhsic_y", "monitor nHSIC(Y, Z)"),
                     ("gradient_norm", "monitor gradient norm")]
        elif record["type"] == "format":
            for epoch, accuracy in enumerate(record["test_accuracy"]):
                add("format training/test", epoch + 1, accuracy)
            continue
        else:
            continue
        for key, name in names:
            for block, value in enumerate(record[key]):
                add(f"{name}/block {block}", step, value)
    return told


def check(found, run, pictures):
    told = expected(run)
    assert curves(found) == told, (curves(found).keys() ^ told.keys(),
                                   [tag for tag in told if curves(found).get(tag) != told[tag]])
    tags = found.Tags()
    weights = [tag for tag in tags["histograms"] if tag.startswith("weights/block ")]
    assert "weights/block 0 (0.weight)" in weights, weights
    last = found.Histograms("weights/block 0 (0.weight)")[-1].histogram_value
    assert last.num == sum(last.bucket) == 784 * 32, last
    assert last.min == min(last.bucket_limit[0], last.min) and last.max == last.bucket_limit[-1], last
    assert tags["images"] == (["confusion"] if pictures else []), tags["images"]
    if pictures:
        picture = found.Images("confusion")[0]
        assert (picture.width, picture.height) == (160, 160), picture
    print(len(told), "curves,", len(weights), "histograms,", len(tags["images"]), "pictures")


def main():
    hsic = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as place:
        call = lambda arguments: subprocess.run([hsic, *arguments.split()], cwd=place, check=True, capture_output=True, text=True)
        run = pathlib.Path(place) / "runs/live"
        training = subprocess.Popen([hsic, *f"{TRAINING} --tensorboard --run runs/live".split()], cwd=place,
                                    stdout=subprocess.DEVNULL)
        while not (run / "checkpoint").exists() or (run / "metrics.jsonl").read_text().count('"epoch"') < 5:
            assert training.poll() is None, "ended before it was interrupted"
            time.sleep(0.01)
        training.send_signal(signal.SIGINT)
        assert training.wait() == 130
        call("train --resume runs/live --tensorboard --quiet")
        files = list((run / "tensorboard").iterdir())
        assert len(files) == 2, files
        check(read(run / "tensorboard"), run, False)
        call("export runs/live --format tensorboard --output made")
        check(read(pathlib.Path(place) / "made"), run, True)
        call("export runs/live --format tensorboard --force")
        check(read(run / "tensorboard"), run, True)


if __name__ == "__main__":
    main()
