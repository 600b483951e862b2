"""What the board takes of a training: python3 benches/board/viewers.py HSIC [EPOCHS]

A training of about a minute is made twice, once alone and once with a board beside it that ten viewers listen to, five to the run
and five to the list. Prints the CPU seconds of training and board, their ratio, and whether the weights are the same bytes.
"""

import hashlib
import os
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

VIEWERS = 10


def cpu(process):
    """CPU seconds of a process that is still there, by the system's count."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def train(hsic, place, epochs, run):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([hsic, "train", "--train-size", "6000", "--epochs", str(epochs), "--widths", "256x6", "--format-epochs", "0",
                    "--monitor-steps", "20", "--quiet", "--run", f"runs/{run}"], cwd=place, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def listen(at, target, counts, index):
    host, port = at.split(":")
    with socket.create_connection((host, int(port))) as stream:
        stream.sendall(f"GET {target} HTTP/1.1\r\nHost: {at}\r\n\r\n".encode())
        while True:
            try:
                got = stream.recv(1 << 16)
            except ConnectionError:
                return
            if not got:
                return
            counts[index] += len(got)


def main():
    hsic = sys.argv[1]
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    with tempfile.TemporaryDirectory() as place:
        alone = train(hsic, place, epochs, "alone")
        board = subprocess.Popen([hsic, "board", "runs"], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        at = board.stdout.readline().strip().removeprefix("http://").rstrip("/")
        counts = [0] * VIEWERS

        def begin():
            run = pathlib.Path(place) / "runs/watched/config.toml"
            while not run.exists():
                time.sleep(0.05)
            for index in range(VIEWERS):
                target = "/events?run=watched" if index % 2 else "/events"
                threading.Thread(target=listen, args=(at, target, counts, index), daemon=True).start()

        threading.Thread(target=begin, daemon=True).start()
        watched = train(hsic, place, epochs, "watched")
        taken = cpu(board)
        board.kill()
        board.wait()
        digest = lambda run: hashlib.sha256((pathlib.Path(place) / f"runs/{run}/weights.safetensors").read_bytes()).hexdigest()
        same = digest("alone") == digest("watched")
        print(f"training alone {alone:.1f} CPU s, watched {watched:.1f} CPU s, board {taken:.2f} CPU s: "
              f"{100 * taken / watched:.2f} %; {sum(counts) / 1e6:.1f} MB sent; weights {'the same' if same else 'DIFFER'}")
        assert same


if __name__ == "__main__":
    main()
