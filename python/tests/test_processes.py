"""Signals, threads and processes. Each script runs in a process of its own, with nothing of pytest's in it."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

# Whoever runs the tests may ignore the signal, as what is started in the background of a script does.
HEARS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""

LONG = """
import numpy as np, hsic
x, y = np.random.default_rng(0).normal(size=(2, {rows}))
"""


def finished(script, seconds=60):
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=seconds)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.skipif(os.name != "posix", reason="signals as on Unix")
@pytest.mark.parametrize("rows", [40, 3000])
def test_control_c_ends_a_permutation_test_within_half_a_second(rows):
    script = LONG.format(rows=rows) + """
print("ready", flush=True)
try:
    hsic.test(x, y, permutations=2_000_000_000)
except KeyboardInterrupt:
    print("interrupted", hsic.test(x[:30], y[:30], permutations=9).rows, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", HEARS + script], stdout=subprocess.PIPE, text=True) as process:
        late = threading.Timer(60, process.kill)
        late.start()
        try:
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.5)
            assert process.poll() is None
            start = time.perf_counter()
            process.send_signal(signal.SIGINT)
            # The package works on after it.
            assert process.stdout.readline() == "interrupted 30\n"
            took = time.perf_counter() - start
        finally:
            late.cancel()
            process.kill()
    # 50 ms until signals are looked for, and what was begun; half a second on a machine that does nothing else.
    assert took < (0.5 if os.environ.get("HSIC_QUIET") else 5), took


def test_other_threads_run_while_it_computes():
    script = LONG.format(rows=1500) + """
import threading, time
turns, done = 0, False
def turn():
    global turns
    while not done:
        turns += 1
        time.sleep(0.001)
other = threading.Thread(target=turn)
other.start()
start = time.perf_counter()
hsic.test(x, y, permutations=2000, n_jobs=1)
took, done = time.perf_counter() - start, True
other.join()
print(turns, took)
"""
    turns, took = map(float, finished(script).split())
    # A thousand turns a second if it is let; one or two if the lock is held throughout.
    assert took > 0.1 and turns > 30 * took, (turns, took)


def test_many_threads_may_call_at_once():
    script = LONG.format(rows=200) + """
from concurrent.futures import ThreadPoolExecutor
wanted = [hsic.test(x, y, permutations=99, random_state=seed) for seed in range(8)]
with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(lambda seed: hsic.test(x, y, permutations=99, random_state=seed, n_jobs=1 + seed % 3), range(8)))
print(found == wanted)
"""
    assert finished(script) == "True\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_started_after_a_call_compute_too(method, tmp_path):
    if method not in __import__("multiprocessing").get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    script = tmp_path / "script.py"
    script.write_text(LONG.format(rows=200) + f"""
import multiprocessing

def work(seed):
    return hsic.test(x, y, permutations=99, random_state=seed)

if __name__ == "__main__":
    here = [work(seed) for seed in range(4)]
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        there = pool.map_async(work, range(4)).get(timeout=50)
    print(here == there)
""")
    run = subprocess.run([sys.executable, "-W", "ignore", script], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, "True\n"), run.stderr
