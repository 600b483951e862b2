"""Looks at `hsic board` with a real browser: python3 board.py HSIC CHROMIUM [FOLDER for pictures]

A training is started and its page opened. The curve has to grow while the page is open, the training to be interrupted and
taken up while it is, nothing may be wider than the screen, and the browser's console has to stay empty.
"""

import pathlib
import signal
import subprocess
import sys
import tempfile

from browser import Browser, wait

TRAINING = "train --train-size 3000 --test-size 500 --widths 128x4 --batch-size 100 --format-epochs 0 --quiet"


# Commands of all curves of the figure of accuracies: it is longer, the more epochs there are.
CURVE = """[...document.querySelectorAll('#figure-0-Accuracy svg path')]
    .map((path) => (path.getAttribute('d').match(/[ML ,]/g) || []).length).reduce((sum, count) => sum + count, 0)"""
EPOCHS = "(document.querySelector('#state td.number') || {}).textContent"


def main():
    hsic, chromium = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2]
    pictures = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory() as place:
        start = lambda arguments, **more: subprocess.Popen([hsic, *arguments.split()], cwd=place, text=True, **more)
        subprocess.run([hsic, *f"{TRAINING} --epochs 3 --seed 2 --run runs/other".split()], cwd=place, check=True,
                       stdout=subprocess.DEVNULL)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        training = start(f"{TRAINING} --epochs 100 --run runs/seen", **quiet)
        # It rests while the browser starts and looks, so that a slow browser does not miss it.
        records = pathlib.Path(place, "runs/seen/metrics.jsonl")
        wait(lambda: records.exists() and '"epoch"' in records.read_text())
        training.send_signal(signal.SIGSTOP)
        board = start("board runs", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        browser = None
        try:
            url = board.stdout.readline().strip()
            browser = Browser(chromium, f"{place}/profile")
            browser.open(url)
            wait(lambda: browser.value("document.body.innerText.includes('running')"))
            assert browser.value("document.querySelectorAll('input[type=checkbox]').length") == 2

            browser.open(f"{url}?run=seen")
            lengths = [wait(lambda: browser.value(CURVE))]
            while len(lengths) < 4:
                training.send_signal(signal.SIGCONT)
                lengths.append(wait(lambda: (now := browser.value(CURVE)) > lengths[-1] and now))
                training.send_signal(signal.SIGSTOP)
            training.send_signal(signal.SIGCONT)
            print("the curve of accuracy grew:", *lengths)
            assert "left" in browser.value("document.body.innerText")
            blocks = browser.value("document.querySelectorAll('#blocks tbody tr').length")
            assert blocks == 5, blocks

            training.send_signal(signal.SIGINT)
            assert training.wait() == 130
            wait(lambda: browser.value("document.body.innerText.includes('stopped')"))
            stopped = browser.value(EPOCHS)
            epochs = records.read_text().count('"epoch"')
            training = start("train --resume runs/seen --quiet", **quiet)
            wait(lambda: records.read_text().count('"epoch"') > epochs)
            training.send_signal(signal.SIGSTOP)
            wait(lambda: browser.value("document.body.innerText.includes('running')"))
            wait(lambda: browser.value(EPOCHS) != stopped)
            training.send_signal(signal.SIGCONT)
            print("interrupted at", stopped, "and taken up, seen at", browser.value(EPOCHS))

            for width in (390, 1280, 1920):
                for page, name in (("", "list"), ("?run=seen", "run"), ("?run=seen&run=other", "runs")):
                    browser.open(url + page, width)
                    wide = browser.value("document.documentElement.scrollWidth")
                    assert wide <= width, f"{page}: {wide} pixels on a screen of {width}"
                    if pictures and width != 1280:
                        wait(lambda: browser.value("document.body.innerText.includes('live')"))
                        browser.pictures(f"{pictures}/board-{name}-{width}")
            # Both runs by the form of the list.
            browser.open(url)
            browser.value("document.querySelectorAll('input[type=checkbox]').forEach((box) => box.click())")
            browser.value("document.querySelector('form button').click()")
            wait(lambda: browser.value("document.title === '2 runs'"))
            assert browser.value("location.search.match(/run=/g).length") == 2
            # What is chosen and what has the focus stays so while parts are replaced.
            browser.open(url)
            browser.value("document.querySelector('input').click(); document.querySelector('input').focus()")
            before = browser.value("document.getElementById('runs').innerHTML")
            wait(lambda: browser.value("document.getElementById('runs').innerHTML") != before)
            assert browser.value("document.querySelector('input').checked && document.activeElement === document.querySelector('input')")

            browser.open(f"{url}?run=seen")
            wait(lambda: browser.value("document.body.innerText.includes('finished')"))
            wait(lambda: browser.value("document.getElementById('figure-0-Confusion') !== null"))
            assert browser.value(EPOCHS) == "100", browser.value(EPOCHS)
            assert browser.said == [], browser.said
            browser.open(f"{url}?run=seen")
            wait(lambda: browser.value("document.body.innerText.includes('live')"))
            # Whoever serves it no more is told of; that the browser says so as well is as it should be.
            board.send_signal(signal.SIGINT)
            assert board.wait() == 130
            wait(lambda: browser.value("document.body.innerText.includes('no connection')"))
            print("finished, and nothing in the console")
        finally:
            for process in (training, board, browser and browser.process):
                if process and process.poll() is None:
                    process.kill()
                    process.wait()


if __name__ == "__main__":
    main()
