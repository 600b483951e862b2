"""Chooses what of fuzz/work is kept in fuzz/corpus, where tests replay it: python3 fuzz/keep.py FOLDER, that of the built targets.

Of each target's inputs a smallest set of the same coverage is made by libFuzzer's merge; of that, evenly by size, as many as have
room. What is there under a name that begins with `found-` stays: faults that were mended.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ROOM = 8_000


def chosen(files):
    """Files of at most ROOM bytes together, the more the more even their sizes are spread."""
    files = sorted((file for file in files if file.stat().st_size <= ROOM // 4), key=lambda file: (file.stat().st_size, file.name))
    count = len(files)
    while True:
        some = files if count >= len(files) else [files[(2 * i + 1) * len(files) // (2 * count)] for i in range(count)]
        if sum(file.stat().st_size for file in some) <= ROOM:
            return some
        count = count * 9 // 10


for work in sorted(HERE.glob("work/*/")):
    kept = HERE / "corpus" / work.name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as merged:
        command = [pathlib.Path(sys.argv[1]) / work.name, "-merge=1", "-max_len=16384", merged, work]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for old in kept.iterdir():
            if not old.name.startswith("found-"):
                old.unlink()
        for file in chosen(list(pathlib.Path(merged).iterdir())):
            shutil.copy(file, kept / file.name[:12])
    print(work.name, len(list(kept.iterdir())), sum(file.stat().st_size for file in kept.iterdir()))
