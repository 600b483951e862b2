"""Looks at the pages of `report`, `compare`, `reproduce` and `speedrun` with a real browser:
python3 pages.py HSIC CHROMIUM [FOLDER for pictures]

Nothing may be wider than the screen at 390, 1280 and 1920 pixels, and the browser's console has to stay empty. Pages of many
trainings begin with ten numbers and their figures within the first 1,200 pixels of a screen of 1,280. The report of a run of 100
epochs and six blocks takes less than a second of the processor and has less than a megabyte; so long at most takes the list of
1,000 runs.
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

from browser import Browser

FIRST_SIGHT = 1200
COMMON = "--train-size 2000 --test-size 500"
# Each page: what makes it, where it is, and the part of it that is to be seen in a picture.
CLASSES = [f"train {COMMON} --epochs 100 --monitor-steps 50 --probe-epochs 10 --quiet --run classes", "report classes"]
VALUES = ["train --dataset prices.csv --quiet --run values", "report values"]
SIGMAS = [f"train {COMMON} --widths 64x3 --epochs 2 --sigma 3,5 --quiet --run sigmas", "report sigmas"]
COMPARE = [f"compare --methods hsic,backprop,feedback-alignment,frozen {COMMON} --widths 64x3 --budget 4epochs --seeds 2 --quiet "
           "--output compared"]
SPEEDRUN = [f"speedrun --dataset digits --model mlp --method hsic {COMMON} --widths 64x3 --goals 70,80,90 --lengths 1,2,3,4,6 "
            "--budget 5min --quiet --output fast"]
REPRODUCE = ["reproduce all --profile smoke --output reproduced", "report reproduced"]
PAGES = {
    "report": (CLASSES, "classes", "confused"),
    "values": (VALUES, "values", "largest-errors"),
    "sigmas": (SIGMAS, "sigmas", None),
    "compare": (COMPARE, "compared", ""),
    "speedrun": (SPEEDRUN, "fast", ""),
    "reproduce": (REPRODUCE, "reproduced", None),
}


def prices(path):
    """A table with a value to learn: prices of dwellings, made up."""
    draw = random.Random(1)
    lines = ["area,rooms,age,floor,garden,distance,price"]
    for _ in range(1200):
        area, age, distance = draw.uniform(30, 200), draw.uniform(0, 90), draw.uniform(0.5, 25)
        rooms, garden = max(1, round(area / 28 + draw.gauss(0, 0.8))), draw.choice(["yes", "no"])
        price = 2.1 * area + 12 * rooms - 0.8 * age + 40 * (garden == "yes") + 90 * 2.718 ** (-distance / 6) + draw.gauss(0, 18)
        lines.append(f"{area:.1f},{rooms},{age:.0f},{draw.randint(0, 6)},{garden},{distance:.2f},{price:.1f}")
    path.write_text("\n".join(lines) + "\n")


def processor_seconds(command, place):
    """What a command takes of the processors, in seconds."""
    before = os.times()
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main():
    hsic, chromium = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2]
    pictures = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        prices(place / "prices.csv")
        browser = Browser(chromium, place / "profile")
        try:
            for name, (commands, folder, part) in PAGES.items():
                for command in commands:
                    subprocess.run([hsic, *command.split()], cwd=place, check=True, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
                page = place / folder / "report.html"
                for width in (390, 1280, 1920):
                    browser.open(f"file://{page}", width)
                    wide = browser.value("document.documentElement.scrollWidth")
                    assert wide <= width, f"{name}: {wide} pixels on a screen of {width}"
                    if pictures and part is not None and width != 1280:
                        if part:
                            browser.value(f"document.getElementById('{part}').scrollIntoView()")
                        browser.pictures(f"{pictures}/{name}-{width}")
                browser.open(f"file://{page}", 1280)
                end = "Math.max(...[...document.querySelectorAll('QUERY')].map((one) => one.getBoundingClientRect().bottom))"
                if name in ("compare", "reproduce"):
                    keys = browser.value("document.querySelectorAll('dl.keys dd').length")
                    ends = [browser.value(end.replace("QUERY", query)) for query in ("dl.keys dd", "ul.small svg, .first svg")]
                    assert keys == 10 and None not in ends and max(ends) <= FIRST_SIGHT, (name, keys, ends)
                    print(f"{name}: ten numbers end at {ends[0]:.0f} pixels, their figures at {ends[1]:.0f}")
                assert browser.value("document.querySelectorAll('script').length") == 0
            # Values are told to whoever comes by keyboard.
            browser.open(f"file://{place}/classes/report.html")
            told = "getComputedStyle(document.activeElement.querySelector('text')).opacity"
            browser.value("document.querySelector('.fig-spot[tabindex]').focus()")
            assert browser.value(told) == "1" and "epoch" in browser.value("document.activeElement.textContent")
            assert browser.said == [], browser.said
        finally:
            browser.process.kill()
            browser.process.wait()
        size = (place / "classes/report.html").stat().st_size
        taken = processor_seconds([hsic, "report", "classes"], place)
        print(f"report of 100 epochs and 6 blocks: {taken:.2f} seconds of the processor, {size} bytes")
        assert taken < 1 and size < 1_000_000
        for index in range(1000):
            shutil.copytree(place / "values", place / f"many/{index}", ignore=shutil.ignore_patterns("*.html", "checkpoint"))
        taken = processor_seconds([hsic, "runs", "many"], place)
        print(f"list of 1,000 runs: {taken:.2f} seconds of the processor")
        assert taken < 1


if __name__ == "__main__":
    main()
