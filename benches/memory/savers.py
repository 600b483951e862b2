"""What a PyTorch user does about memory: block by block, checkpoints, gradient accumulation.

As a program (`python savers.py NAME ...`) it speaks the line protocol of `examples/step.rs`: prints `ready`, answers
`run N` with N step times in milliseconds and `memory` with the peak resident bytes until now, those of parameters, and
those of optimizer state.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "compare"))

import torch  # noqa: E402
from torch.utils.checkpoint import checkpoint_sequential  # noqa: E402

import networks  # noqa: E402
from rivals import BackPropagation, ClosedForm  # noqa: E402

MICRO_BATCH = 32


class BlockByBlock(ClosedForm):
    """HSIC on detached blocks, one after the other on all intra-op threads; no block's gradient outlives its update."""

    def learn(self, feature, optimizer, mixed):
        super().learn(feature, optimizer, mixed)
        optimizer.zero_grad(set_to_none=True)


class Checkpointed(BackPropagation):
    """Back-propagation that keeps activations at about the root of the number of blocks and computes those between them
    anew (which feeds them to the running statistics twice)."""

    def loss_of(self, maps, labels):
        segments = max(1, round(math.sqrt(len(self.net))))
        outputs = checkpoint_sequential(self.net, segments, maps, use_reentrant=False)
        return torch.nn.functional.cross_entropy(outputs, labels)


class Accumulated(BackPropagation):
    """Back-propagation with gradients added up over parts of a batch; batch norm sees a part."""

    def step(self, batch):
        self.optimizer.zero_grad(set_to_none=True)
        m = len(batch.labels)
        for maps, labels in zip(batch.maps.split(MICRO_BATCH), batch.labels.split(MICRO_BATCH)):
            (self.loss(maps, labels) * (len(labels) / m)).backward()
        self.optimizer.step()


SAVERS = {
    "block-by-block": BlockByBlock,
    "back-propagation": BackPropagation,
    "checkpoint": Checkpointed,
    "accumulation": Accumulated,
}


def peak_bytes():
    """The process's own VmHWM: unlike `getrusage`, it starts anew with the program."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("the system tells no VmHWM")


def memory(rival):
    peak = peak_bytes()
    bytes_of = lambda tensors: sum(t.numel() * t.element_size() for t in tensors if t is not None)
    optimizers = rival.optimizers if hasattr(rival, "optimizers") else [rival.optimizer]
    states = [v for o in optimizers for state in o.state.values() for v in state.values() if torch.is_tensor(v)]
    tensors = [*rival.net.parameters(), *(b for b in rival.net.buffers() if b.is_floating_point())]
    return {"peak_bytes": peak, "parameter_bytes": bytes_of(tensors), "optimizer_bytes": bytes_of(states)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=SAVERS)
    networks.add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    setting = networks.Setting.of(arguments)
    rival, batches = SAVERS[arguments.name](setting, arguments.threads), networks.make_batches(setting, arguments.batch_size, 8)
    print("ready", flush=True)
    for line in sys.stdin:
        verb, *rest = line.split()
        if verb == "memory":
            answer = memory(rival)
        else:
            assert verb == "run", line
            answer = []
            for i in range(int(rest[0])):
                start = time.perf_counter()
                rival.step(batches[i % len(batches)])
                answer.append((time.perf_counter() - start) * 1e3)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
