"""A real browser for scripts that look at pages, a headless Chromium, spoken to by the DevTools protocol through a pipe
(--remote-debugging-pipe: messages of JSON, each ended by a zero byte), so that nothing but Python is needed.
"""

import base64
import collections
import json
import os
import pathlib
import struct
import subprocess
import time
import zlib

PATIENCE = 120


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
        """What is seen, on light ground and on dark, as PNG of at most 256 colors."""
        for scheme in ("light", "dark"):
            self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            taken = self.ask("Page.captureScreenshot", format="png")
            pathlib.Path(f"{path}-{scheme}.png").write_bytes(indexed(base64.b64decode(taken["data"])))
        self.ask("Emulation.setEmulatedMedia", features=[])


def wait(done, patience=PATIENCE):
    until = time.monotonic() + patience
    while True:
        found = done()
        if found:
            return found
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


def chunks(file):
    """The parts of a PNG file, each with its kind."""
    place = 8
    while place < len(file):
        length, kind = struct.unpack_from(">I4s", file, place)
        yield kind, file[place + 8:place + 8 + length]
        place += length + 12


def pixels(file):
    """Width, height and the colors of a PNG of 8 bits a channel without gaps between its lines (PNG, clauses 9 and 10)."""
    parts = list(chunks(file))
    width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", dict(parts)[b"IHDR"])
    assert depth == 8 and kind in (2, 6) and rest == [0, 0, 0], (depth, kind, rest)
    step = 3 if kind == 2 else 4
    data = zlib.decompress(b"".join(part for name, part in parts if name == b"IDAT"))
    line, above, colors = width * step, bytearray(width * step), []
    for y in range(height):
        how, now = data[y * (line + 1)], bytearray(data[y * (line + 1) + 1:(y + 1) * (line + 1)])
        if how == 2:
            now = bytearray((a + b) & 255 for a, b in zip(now, above))
        elif how:
            for x in range(line):
                left, up, corner = now[x - step] if x >= step else 0, above[x], above[x - step] if x >= step else 0
                if how == 1:
                    guess = left
                elif how == 3:
                    guess = (left + up) // 2
                else:
                    guess = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))[2]
                now[x] = (now[x] + guess) & 255
        above = now
        colors.extend(zip(*(now[channel::step] for channel in range(3))))
    return width, height, colors


def indexed(file):
    """The same picture with 256 colors, others as the nearest of them, in a fraction of the bytes: the most frequent ones, and
    those furthest from these, so that a thin line keeps its hue."""
    width, height, colors = pixels(file)
    apart = lambda one, other: sum((a - b) ** 2 for a, b in zip(one, other))
    frequent = [color for color, _ in collections.Counter(colors).most_common()]
    palette, others = frequent[:128], frequent[128:]
    left = {color: min(apart(color, own) for own in palette) for color in others}
    while left and len(palette) < 256:
        palette.append(max(left, key=left.get))
        del left[palette[-1]]
        left = {color: min(distance, apart(color, palette[-1])) for color, distance in left.items()}
    places = {color: place for place, color in enumerate(palette)}

    def place(color):
        if color not in places:
            places[color] = min(range(len(palette)), key=lambda own: apart(color, palette[own]))
        return places[color]

    lines = bytes(map(place, colors))
    data = b"".join(b"\0" + lines[y * width:(y + 1) * width] for y in range(height))
    part = lambda kind, own: struct.pack(">I", len(own)) + kind + own + struct.pack(">I", zlib.crc32(kind + own))
    return (b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
            + part(b"PLTE", b"".join(map(bytes, palette))) + part(b"IDAT", zlib.compress(data, 9)) + part(b"IEND", b""))
