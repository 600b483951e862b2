"""Twenty trainings on a Ray cluster of two nodes in one process: python ray_nodes.py HSIC FOLDER

Four of the binaries are killed at their first checkpoint, one node is taken away without grace after five results, and
another joins three seconds later. Every file of weights must have the SHA-256 of the training that was never stopped.
"""

import os
import signal
import subprocess
import sys
import threading
import time

hsic, work = (os.path.abspath(path) for path in sys.argv[1:])
here = os.path.dirname(os.path.abspath(__file__))
os.makedirs(f"{work}/bin", exist_ok=True)
os.chdir(work)
if not os.path.islink("bin/hsic"):
    os.symlink(hsic, "bin/hsic")
os.environ["PATH"] = f"{work}/bin:{os.environ['PATH']}"
os.environ["RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper"] = "1"
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
os.environ["PYTHONPATH"] = os.path.dirname(here)

import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

sys.path.insert(0, os.path.dirname(here))
import ray_driver  # noqa: E402

COMMAND = (
    "hsic compare --methods hsic:learning-rate=1e-3,mono-forward:learning-rate=1e-3 --seeds 10 --budget 40epochs "
    "--train-size 3000 --test-size 300 --widths 128x3 --batch-size 100 --threads 1"
).split()
print("+", *COMMAND, flush=True)
subprocess.run([*COMMAND, "--output", "whole", "--quiet"], check=True, stdout=subprocess.DEVNULL)

cluster = Cluster()
for head in (True, False):
    node = cluster.add_node(num_cpus=1, memory=2_000_000_000, object_store_memory=80_000_000)
ray.init(address=cluster.address)
results, over = [], threading.Event()


def trainings():
    """Process ids and folders of the binaries that are at work and have a checkpoint."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
            if b"--only" in words and b"parts" in words and os.readlink(f"/proc/{pid}/cwd") == work:
                opened = {os.path.dirname(os.readlink(f"/proc/{pid}/fd/{fd}")) for fd in os.listdir(f"/proc/{pid}/fd")}
                for run in opened:
                    if os.path.exists(f"{run}/checkpoint/state.safetensors"):
                        yield int(pid), run
        except OSError:
            continue


killed = {}


def sabotage():
    """Kills four binaries."""
    while len(killed) < 4 and not over.is_set():
        for pid, run in list(trainings()):
            if run not in killed and len(killed) < 4:
                os.kill(pid, signal.SIGKILL)
                killed[run] = pid
                print(f"trial: killed {pid} of {os.path.basename(run)}", flush=True)
        time.sleep(0.5)


def heard(told):
    """After five results a node goes away, and another joins. Ray takes nodes from the main thread alone."""
    results.append(told)
    if len(results) == 5:
        print("trial: a node goes away", flush=True)
        cluster.remove_node(node, allow_graceful=False)
        time.sleep(3)
        cluster.add_node(num_cpus=1, memory=2_000_000_000, object_store_memory=80_000_000)
        print("trial: another has joined", flush=True)


saboteur = threading.Thread(target=sabotage, daemon=True)
saboteur.start()
begin = time.time()
command = [*COMMAND, "--output", "parts"]
ray_driver.wave(ray_driver.plan(command, work), work, heard)
over.set()
saboteur.join()
assert len(killed) == 4, f"only {len(killed)} binaries were killed"
print(f"trial: {len(results)} trainings after {time.time() - begin:.0f} s", flush=True)
ray.shutdown()
cluster.shutdown()
# Ray had this process ignore how its children end.
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
subprocess.run([*command, "--gather"], stdout=subprocess.DEVNULL, check=True)
subprocess.run(["bash", f"{here}/same.sh", "whole/runs", "parts/runs", "20"], check=True)
sys.stdout.flush()
# Ray's own farewell stumbles over the node that was taken away.
os._exit(0)
