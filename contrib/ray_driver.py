"""Carries out a comparison or a reproduction on a Ray cluster: python ray_driver.py hsic compare OPTIONS...

Every node sees the same folder at the same path, and has `hsic` in its PATH. A training whose worker or node dies is started
again by Ray (max_retries), and so is one whose binary fails or is killed (retry_exceptions): each goes on from its checkpoint,
to the bytes of the one that was never stopped. Start the nodes with
RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper=1: without it a training outlives its worker and holds its folder.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import ray


def carried_out(command, folder):
    """What a command prints and what it says of itself. Its exit status is not asked for: Ray has its processes ignore how
    their children end, which a program must not inherit, since it waits for its own."""

    def heard():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    done = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard, check=False
    )
    return done.stdout, done.stderr.strip()


def plan(command, folder):
    """The lines of a plan."""
    told, said = carried_out([*command, "--plan"], folder)
    if not told:
        raise RuntimeError(f"{shlex.join(command)} --plan: {said}")
    return [json.loads(line) for line in told.splitlines()]


@ray.remote(max_retries=5, retry_exceptions=True)
def train(command, folder):
    """Carries out one training; what it says is an error's text if it fails."""
    told, said = carried_out([*shlex.split(command), "--quiet", "--json"], folder)
    if not told:
        # One that lost its worker may hold the folder for a moment longer.
        time.sleep(2)
        raise RuntimeError(f"{command}: {said or 'killed'}")
    return json.loads(told)


def wave(jobs, folder, finished=lambda told: None):
    """Carries out all trainings that are ready; `finished` hears of each."""
    waiting = [
        train.options(num_cpus=job["threads"], memory=int(1.5 * (job["memory"] or 0)) or None).remote(job["command"], folder)
        for job in jobs
        if job["state"] == "ready"
    ]
    while waiting:
        done, waiting = ray.wait(waiting)
        for told in done:
            try:
                finished(ray.get(told))
            except ray.exceptions.RayError as error:
                print(f"ray_driver: {error}", file=sys.stderr)


def main(command):
    """Wave after wave, until nothing is left or nothing more comes of it."""
    folder, before = os.getcwd(), None
    while True:
        jobs = plan(command, folder)
        open_jobs = [job["id"] for job in jobs if job["state"] in ("ready", "waiting")]
        if not any(job["state"] == "ready" for job in jobs) or open_jobs == before:
            break
        wave(jobs, folder, lambda told: print(f"{told['id']}: {told['state']}", file=sys.stderr))
        before = open_jobs
    told, said = carried_out([*command, "--gather"], folder)
    print(told, end="")
    print(said, file=sys.stderr)
    return 0 if told and "not finished: " not in said else 1


if __name__ == "__main__":
    os.environ.setdefault("RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper", "1")
    # The cluster of RAY_ADDRESS, or one on this machine.
    ray.init()
    sys.exit(main(sys.argv[1:]))
