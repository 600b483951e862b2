"""Looks at `hsic board` with a real browser: python3 board.py HSIC CHROMIUM [FOLDER for pictures]

A training is started, its page opened in a headless Chromium, which is spoken to by the DevTools protocol through a pipe
(--remote-debugging-pipe: messages of JSON, each ended by a zero byte), so that nothing but Python is needed. The curve has to
grow while the page is open, the training to be interrupted and taken up while it is, nothing may be wider than the screen, and
the browser's console has to stay empty.
"""

import base64
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 120
TRAINING = "train --train-size 3000 --test-size 500 --widths 128x4 --batch-size 100 --format-epochs 0 --quiet"


class Browser:
    """A browser with one page, and all that its console says."""

    def __init__(self, chromium, folder):
        commands, self.out = os.pipe()
        self.answers, answers = os.pipe()

        def as_three_and_four():
            # The browser reads from file 3 and writes to file 4.
            os.dup2(commands, 100)
            os.dup2(answers, 101)
            os.dup2(100, 3)
            os.dup2(101, 4)
            for file in (3, 4):
                os.set_inheritable(file, True)

        self.process = subprocess.Popen(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
             f"--user-data-dir={folder}", "about:blank"],
            preexec_fn=as_three_and_four, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self.rest, self.number, self.said, self.session = b"", 0, [], None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page", "Network"):
            self.ask(f"{domain}.enable")

    def message(self):
        while b"\0" not in self.rest:
            more = os.read(self.answers, 1 << 20)
            assert more, "the browser has gone"
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self.hear(answer)

    def hear(self, event):
        method, of = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.said.append(of["exceptionDetails"].get("exception", {}).get("description", "an exception"))
        elif method == "Runtime.consoleAPICalled":
            self.said.append(str([argument.get("value") for argument in of["args"]]))
        elif method == "Log.entryAdded":
            self.said.append(f"{of['entry']['level']}: {of['entry']['text']} {of['entry'].get('url', '')}")

    def value(self, script):
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, url, width=1280):
        """Opens a page and waits until it is there."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.ask("Page.navigate", url=url)
        wait(lambda: self.value(f"document.readyState === 'complete' && location.href.startsWith('{url[:20]}')"))

    def pictures(self, path):
        """What is seen, on light ground and on dark."""
        for scheme in ("light", "dark"):
            self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            taken = self.ask("Page.captureScreenshot", format="png")
            pathlib.Path(f"{path}-{scheme}.png").write_bytes(base64.b64decode(taken["data"]))
        self.ask("Emulation.setEmulatedMedia", features=[])


def wait(done, patience=PATIENCE):
    until = time.monotonic() + patience
    while True:
        found = done()
        if found:
            return found
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


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
            subprocess.run([hsic, "report", "runs/seen"], cwd=place, check=True, stdout=subprocess.DEVNULL)
            for width in (390, 1280, 1920):
                browser.open(f"file://{place}/runs/seen/report.html", width)
                wide = browser.value("document.documentElement.scrollWidth")
                assert wide <= width, f"the report: {wide} pixels on a screen of {width}"
                if pictures and width != 1280:
                    browser.pictures(f"{pictures}/report-{width}")
            # Values are told to whoever comes by keyboard.
            told = "getComputedStyle(document.activeElement.querySelector('text')).opacity"
            browser.value("document.querySelector('.fig-spot[tabindex]').focus()")
            assert browser.value(told) == "1" and "epoch" in browser.value("document.activeElement.textContent")
            assert browser.value("document.querySelectorAll('script').length") == 0
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
