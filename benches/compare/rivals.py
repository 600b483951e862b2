"""Training steps in PyTorch against which the Rust engine is timed; README.md says what each is.

Each rival has `step(batch)`; some have `gradients()`: the weight gradients of the last step. All train the same
network on the same batches (`networks.py`) with the same objective (`objective.py`).

As a program (`python rivals.py NAME ...`) it speaks the line protocol of `benches/programs/src/bin/step.rs`: prints `ready` (or
`unavailable: WHY`, and ends); answers each line `run N` with N step times in milliseconds, one JSON list.
"""

import argparse
import gc
import json
import math
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint_sequential

import networks
from networks import CLASSES, NORM_EPSILON, make_batches, make_network, one_hot
from objective import (
    BETA, EPSILON, SIGMA, authors_nhsic, label_factors, mix, normalized, ridge_system, signal, signal_without_x,
    stacked_signals,
)

LEARNING_RATE = 5e-4
MOMENTUM = 0.9
TRIAL_STEPS = 3


def sgd(module, weight_decay=0.0):
    return torch.optim.SGD(module.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=weight_decay, fused=True)


def gradients_of(net):
    return networks.weights(net, lambda weight: weight.grad)


# ---- back-propagation -------------------------------------------------------------------------


class BackPropagation:
    """Cross-entropy on a linear last layer, one fused SGD for all tensors."""

    def __init__(self, setting, threads=2, compiled=False):
        torch.set_num_threads(threads)
        self.net = make_network(setting, classifier=True)
        self.optimizer = sgd(self.net)
        self.loss = torch.compile(self.loss_of) if compiled else self.loss_of

    def loss_of(self, maps, labels):
        return nn.functional.cross_entropy(self.net(maps), labels)

    def step(self, batch):
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(batch.maps, batch.labels).backward()
        self.optimizer.step()

    def gradients(self):
        return gradients_of(self.net)


class Checkpointed(BackPropagation):
    """Activations are kept between about sqrt(L) segments, and computed again inside each on the way back. (Batch norm
    then takes the batch into its running statistics twice.)"""

    def loss_of(self, maps, labels):
        segments = round(math.sqrt(len(self.net)))
        return nn.functional.cross_entropy(checkpoint_sequential(self.net, segments, maps, use_reentrant=False), labels)


class Accumulated(BackPropagation):
    """Gradients summed over parts of the batch; batch norm sees one part at a time."""

    ROWS = 32

    def step(self, batch):
        self.optimizer.zero_grad(set_to_none=True)
        for maps, labels in zip(batch.maps.split(self.ROWS), batch.labels.split(self.ROWS)):
            (self.loss(maps, labels) * (len(labels) / len(batch.labels))).backward()
        self.optimizer.step()


# ---- the authors' schedule --------------------------------------------------------------------


class Authors:
    """For each block: whole forward, both terms from scratch, backward through all blocks below it,
    a new optimizer (so its momentum never acts)."""

    def __init__(self, setting, threads=2):
        torch.set_num_threads(threads)
        self.setting = setting
        self.net = make_network(setting)

    def hiddens(self, x):
        result = []
        for block in self.net:
            x = block(x)
            result.append(x)
        return result

    def step(self, batch):
        y = one_hot(batch.labels, batch.rows.dtype)
        self.hiddens(batch.maps)  # the authors' loop does this before it starts
        for i, block in enumerate(self.net):
            z = self.setting.feature(self.hiddens(batch.maps)[i])
            optimizer = torch.optim.SGD(block.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=1e-3)
            optimizer.zero_grad()
            (authors_nhsic(z, batch.rows) - BETA * authors_nhsic(z, y)).backward()
            optimizer.step()


# ---- tuned: shared work once a batch, local autograd -------------------------------------------


class Tuned:
    """R_X and R_Y once a batch; each block on its detached input; autograd through Cholesky factor
    and inverse; one lasting SGD. nHSIC(Z, V) = tr(R_V) - c tr(T_Z R_V), R = I - c T."""

    def __init__(self, setting, threads=2, order="jacobi", weight_decay=0.0):
        torch.set_num_threads(threads)
        self.setting = setting
        self.net = make_network(setting)
        self.order = order
        self.optimizers = [sgd(block, weight_decay) for block in self.net]

    def shared(self, batch):
        """M = R_X - beta R_Y and its trace."""
        mixed = normalized(batch.rows) - BETA * normalized(one_hot(batch.labels, batch.rows.dtype))
        return mixed, mixed.trace()

    def loss(self, a, c, shared):
        mixed, trace = shared
        t = torch.cholesky_inverse(torch.linalg.cholesky(a))
        return trace - c * (t * mixed).sum()

    def step(self, batch):
        with torch.no_grad():  # not inference mode, whose tensors autograd cannot keep
            shared = self.shared(batch)
        h = batch.maps
        for block, optimizer in zip(self.net, self.optimizers):
            optimizer.zero_grad(set_to_none=True)
            z = block(h)
            a, c = ridge_system(self.setting.feature(z))
            self.loss(a, c, shared).backward()
            optimizer.step()
            if self.order == "jacobi":
                h = z.detach()
            else:
                with torch.no_grad():
                    h = block(h)

    def gradients(self):
        return gradients_of(self.net)


class TunedWithoutX(Tuned):
    """-beta nHSIC(Z, Y) alone, up to a constant: tr(T R_Y), R_Y = B S', as one system of C columns instead of the
    inverse, whose way back is of C columns too."""

    def __init__(self, setting, threads=2, by="solve"):
        super().__init__(setting, threads)
        self.by = by

    def shared(self, batch):
        return label_factors(batch.labels, batch.rows.dtype)

    def loss(self, a, c, shared):
        b, s = shared
        if self.by == "solve":
            tb = torch.linalg.solve(a, b)
        else:
            tb = torch.cholesky_solve(b, torch.linalg.cholesky(a))
        return BETA * c * (tb * s).sum()


# ---- closed form: autograd through the block alone, or not at all ------------------------------


@torch.inference_mode()
def mixed_of(batch):
    return mix(batch.rows, batch.labels)


@torch.inference_mode()
def label_factors_of(batch):
    return label_factors(batch.labels, batch.rows.dtype)


# With the X term and without: what the blocks share of a batch, and a block's signal from it.
FORMS = {True: (mixed_of, signal), False: (label_factors_of, signal_without_x)}


class ClosedForm:
    """For blocks of any kind: dL/d(feature) in closed form, autograd from there to the block's weights; the low-rank
    label form. With one worker, blocks in turn on all intra-op threads; with more, R_X beside the forward chain, then
    the blocks, on Python threads (PyTorch releases the interpreter lock in its kernels) of one intra-op thread each."""

    def __init__(self, setting, threads=2, workers=1, x=True):
        torch.set_num_threads(threads // workers)
        self.pool = ThreadPoolExecutor(workers) if workers > 1 else None
        self.mix, self.signal = FORMS[x]
        self.setting = setting
        self.net = make_network(setting)
        self.optimizers = [sgd(block) for block in self.net]

    def learn(self, feature, optimizer, mixed):
        with torch.inference_mode():
            to_feature = self.signal(feature, mixed)
        optimizer.zero_grad(set_to_none=True)
        feature.backward(to_feature)
        optimizer.step()

    def forward(self, block, h):
        """The block's output for the next one, and its feature, which holds the way back."""
        z = block(h)
        return z.detach(), self.setting.feature(z)

    def step(self, batch):
        h = batch.maps
        if self.pool is None:
            mixed = self.mix(batch)
            for block, optimizer in zip(self.net, self.optimizers):
                h, feature = self.forward(block, h)
                self.learn(feature, optimizer, mixed)
            return
        mixed = self.pool.submit(self.mix, batch)
        features = []
        for block in self.net:
            h, feature = self.forward(block, h)
            features.append(feature)
        mixed = mixed.result()
        list(self.pool.map(lambda feature, optimizer: self.learn(feature, optimizer, mixed), features, self.optimizers))

    def gradients(self):
        return gradients_of(self.net)


class Compiled:
    """The closed form through torch.compile, whole: one graph of all blocks' forward, R_X, signals, and (its gradient)
    all blocks' backward. sum of <feature, signal> with the signal held fixed has the gradient of the objective."""

    def __init__(self, setting, threads=2):
        torch.set_num_threads(threads)
        self.setting = setting
        self.net = make_network(setting)
        self.optimizer = sgd(self.net)
        self.loss = torch.compile(self.loss_of)

    def loss_of(self, rows, h, labels):
        with torch.no_grad():
            mixed = mix(rows, labels)
        loss = 0.0
        for block in self.net:
            z = block(h)
            feature = self.setting.feature(z)
            with torch.no_grad():
                to_feature = signal(feature.detach(), mixed)
            loss = loss + (feature * to_feature).sum()
            h = z.detach()
        return loss

    def step(self, batch):
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(*batch).backward()
        self.optimizer.step()

    def gradients(self):
        return gradients_of(self.net)


class DenseClosedForm:
    """For dense blocks, no autograd at all: the block's own gradient by PyTorch's backward kernels; the momentum buffer
    takes the weight gradient in the same product. Two Python threads, one intra-op thread in each."""

    def __init__(self, setting, threads=2, x=True):
        self.net = make_network(setting)  # whose tensors are worked on
        torch.set_num_threads(1)
        self.mix, self.signal = FORMS[x]
        self.pool = ThreadPoolExecutor(threads)
        self.rate, self.momentum = LEARNING_RATE, MOMENTUM
        self.weights = [block[0].weight.detach() for block in self.net]
        self.biases = [block[0].bias.detach() for block in self.net]
        self.means = [block[1].running_mean for block in self.net]
        self.variances = [block[1].running_var for block in self.net]
        self.momenta = [torch.zeros_like(w) for w in self.weights]
        # A bias before a batch norm has gradient 0: without weight decay it never moves.

    @torch.inference_mode()
    def forward(self, x):
        kept = []
        for w, b, mean, variance in zip(self.weights, self.biases, self.means, self.variances):
            pre = torch.addmm(b, x, w.T)
            z, center, inverse_deviation = torch.native_batch_norm(
                pre, None, None, mean, variance, True, 0.1, NORM_EPSILON
            )
            z.relu_()
            kept.append((x, pre, z, center, inverse_deviation))
            x = z
        return kept

    @torch.inference_mode()
    def update(self, kept, i, dz):
        x, pre, z, center, inverse_deviation = kept[i]
        dz = torch.ops.aten.threshold_backward(dz, z, 0)
        dpre, _, _ = torch.ops.aten.native_batch_norm_backward(
            dz, pre, None, None, None, center, inverse_deviation, True, NORM_EPSILON, [True, False, False]
        )
        self.momenta[i].addmm_(dpre.T, x, beta=self.momentum)
        self.weights[i].add_(self.momenta[i], alpha=-self.rate)

    @torch.inference_mode()
    def block(self, kept, mixed, i):
        self.update(kept, i, self.signal(kept[i][2], mixed))

    def step(self, batch):
        mixed = self.pool.submit(self.mix, batch)
        kept = self.forward(batch.rows)
        mixed = mixed.result()
        list(self.pool.map(lambda i: self.block(kept, mixed, i), range(len(kept))))

    def gradients(self):
        """Of the first step only, when the momentum buffers held 0."""
        return [g.clone() for g in self.momenta]


class Batched(DenseClosedForm):
    """The same with all blocks stacked in one tensor: batched products on all intra-op threads.
    The last, narrow block is padded with columns of 0, which change no distance."""

    def __init__(self, setting, threads=2, compiled=False):
        widths = [width for width, _ in setting.widths]
        assert len(set(widths)) == 1 and widths[0] >= CLASSES, "blocks are stacked: equal widths only"
        super().__init__(setting, threads=1)
        torch.set_num_threads(threads)
        scale = [[[1 / (2 * SIGMA**2 * d)]] for d in [*widths, CLASSES]]
        self.scale = torch.tensor(scale, dtype=setting.dtype)
        self.signals = torch.compile(stacked_signals) if compiled else stacked_signals

    @torch.inference_mode()
    def step(self, batch):
        mixed = mix(batch.rows, batch.labels)
        kept = self.forward(batch.rows)
        z = [k[2] for k in kept]
        z[-1] = nn.functional.pad(z[-1], (0, z[0].shape[1] - CLASSES))
        dz = self.signals(torch.stack(z), mixed, self.scale)
        for i in range(len(kept)):
            self.update(kept, i, dz[i, :, : kept[i][2].shape[1]].contiguous())


# ---- the choice among a rival's variants, and the line protocol --------------------------------


class Products:
    """Not a rival: the machine's product rate of the moment, GFLOP/s of 256^3 and 1024^3 in float32."""

    def __init__(self):
        self.pairs = [(torch.rand(n, n), torch.rand(n, n), count) for n, count in ((256, 60), (1024, 6))]

    def rates(self):
        result = []
        for a, b, count in self.pairs:
            times = []
            for _ in range(count):
                start = time.perf_counter()
                torch.mm(a, b)
                times.append(time.perf_counter() - start)
            result.append(2 * len(a) ** 3 / sorted(times)[count // 2] / 1e9)
        return result


RIVALS = ("authors", "tuned", "closed-form", "batched", "batched-compiled", "compiled", "back-propagation",
          "back-propagation-compiled", "back-propagation-checkpoint", "back-propagation-accumulation",
          "tuned-without-x", "closed-form-without-x")


def variants(name, setting, threads, memory_format="auto"):
    """What a rival may be built as: by name of the variant, a function and its setting."""
    if name.startswith("closed-form"):
        x = name == "closed-form"
        plain = [1] if threads == 1 else [1, threads]
        makers = {f"{n} worker{'s' * (n > 1)}": lambda s, n=n: ClosedForm(s, threads, workers=n, x=x) for n in plain}
        if setting.dense:
            makers = {"dense": lambda s: DenseClosedForm(s, threads, x=x)}
    elif name == "tuned-without-x":
        makers = {by: lambda s, by=by: TunedWithoutX(s, threads, by) for by in ("solve", "cholesky")}
    else:
        make = {
            "authors": Authors,
            "tuned": Tuned,
            "batched": Batched,
            "batched-compiled": lambda s, t: Batched(s, t, compiled=True),
            "compiled": Compiled,
            "back-propagation": BackPropagation,
            "back-propagation-compiled": lambda s, t: BackPropagation(s, t, compiled=True),
            "back-propagation-checkpoint": Checkpointed,
            "back-propagation-accumulation": Accumulated,
        }[name]
        makers = {"": lambda s: make(s, threads)}
    if setting.dense:
        return {label: (make, setting) for label, make in makers.items()}
    orders = {"contiguous": False, "channels-last": True}
    if memory_format != "auto":
        orders = {memory_format: orders[memory_format]}
    return {
        f"{label} {order}".strip(): (make, replace(setting, channels_last=last))
        for label, make in makers.items()
        for order, last in orders.items()
    }


def trial(make, setting, m):
    """Least milliseconds of a few steps."""
    rival, batches, times = make(setting), make_batches(setting, m, TRIAL_STEPS + 1), []
    for batch in batches:
        start = time.perf_counter()
        rival.step(batch)
        times.append((time.perf_counter() - start) * 1e3)
    return min(times[1:])


def fastest(name, found, m):
    """The variant that is fastest on this machine, made anew."""
    if len(found) == 1:
        return next(iter(found.values()))
    times = {}
    for label, (make, setting) in found.items():
        times[label] = trial(make, setting, m)
        gc.collect()
        torch.compiler.reset()
    best = min(times, key=times.get)
    tried = ", ".join(f"{label} {t:.1f}" for label, t in times.items())
    print(f"{name}: {best} (trial, ms: {tried})", file=sys.stderr, flush=True)
    return found[best]


def why_no_compiler():
    """Why torch.compile cannot be used here, or None. It needs a C++ compiler and Python's headers."""
    try:
        with torch.no_grad():
            torch.compile(lambda x: torch.tanh(x).sum())(torch.rand(64, 64))
    except Exception as error:  # whatever the toolchain says
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[*RIVALS, "products"])
    networks.add_arguments(parser)
    parser.add_argument("--memory-format", choices=("auto", "contiguous", "channels-last"), default="auto",
                        help="order of maps; auto tries both and keeps the faster one")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)  # torch.compile of itself
    name, m, threads = arguments.name, arguments.batch_size, arguments.threads
    torch.set_num_threads(threads)
    if name == "products":
        products = Products()
        answer = lambda steps: products.rates()
    else:
        setting = networks.Setting.of(arguments)
        why = why_no_compiler() if name.endswith("compiled") else None
        if name.startswith("batched") and not setting.dense:
            why = "stacks dense blocks of one width"
        if why:
            print(f"unavailable: {why}", flush=True)
            return
        make, setting = fastest(name, variants(name, setting, threads, arguments.memory_format), m)
        rival, batches = make(setting), make_batches(setting, m, 8)
        rival.step(batches[0])  # compiles, allocates

        def answer(steps):
            times = []
            for i in range(steps):
                start = time.perf_counter()
                rival.step(batches[i % len(batches)])
                times.append((time.perf_counter() - start) * 1e3)
            return times

    print("ready", flush=True)
    for line in sys.stdin:
        verb, steps = line.split()
        assert verb == "run", line
        print(json.dumps(answer(int(steps))), flush=True)


if __name__ == "__main__":
    main()
