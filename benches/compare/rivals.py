"""Training steps in PyTorch against which the Rust engine is timed; README.md says what each is.

Each rival has `step(x, labels)`; some have `gradients()`: the weight gradients of the last step.
All train the same network on the same batches: blocks of Linear, BatchNorm1d(affine=False), relu.

As a program (`python rivals.py NAME ...`) it speaks the line protocol of `examples/step.rs`:
prints `ready`; answers each line `run N` with N step times in milliseconds, one JSON list.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

COLUMNS = 784
CLASSES = 10
SIGMA = 5.0
BETA = 500.0
EPSILON = 1e-5
LEARNING_RATE = 5e-4
MOMENTUM = 0.9
NORM_EPSILON = 1e-5


def make_batches(m, count, dtype=torch.float32):
    """Sparse rows in [0, 1] with a part that depends on the class, like images of digits."""
    generator = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(count):
        labels = torch.randint(CLASSES, (m,), generator=generator)
        row = torch.arange(COLUMNS) // 28
        inside = (row[None, :] + 3 * labels[:, None]) % 14 < 3
        drawn = torch.rand(m, COLUMNS, generator=generator) < torch.where(inside, 0.6, 0.08)
        batches.append(((torch.rand(m, COLUMNS, generator=generator) * drawn).to(dtype), labels))
    return batches


def make_network(widths, dtype=torch.float32, last_is_linear=False):
    """One Sequential a block, so that `net[i]` is block i; PyTorch's default initial weights."""
    torch.manual_seed(0)
    sizes = [COLUMNS, *widths, CLASSES]
    blocks = []
    for i, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
        layers = [nn.Linear(fan_in, fan_out)]
        if not (last_is_linear and i == len(widths)):
            layers += [nn.BatchNorm1d(fan_out, affine=False, eps=NORM_EPSILON), nn.ReLU()]
        blocks.append(nn.Sequential(*layers))
    return nn.Sequential(*blocks).to(dtype).train()


def one_hot(labels, dtype):
    return nn.functional.one_hot(labels, CLASSES).to(dtype)


# ---- back-propagation -------------------------------------------------------------------------


class BackPropagation:
    """Cross-entropy on a linear last layer, one fused SGD for all tensors."""

    def __init__(self, widths, dtype=torch.float32):
        self.net = make_network(widths, dtype, last_is_linear=True)
        self.optimizer = torch.optim.SGD(self.net.parameters(), LEARNING_RATE, MOMENTUM, fused=True)

    def step(self, x, labels):
        self.optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(self.net(x), labels).backward()
        self.optimizer.step()


# ---- the authors' schedule --------------------------------------------------------------------


def authors_normalized(v):
    """Kernel, one-sided centering, inverse and product as the authors' repository computes them."""
    m, d = v.shape
    squares = (v * v).sum(1).view(-1, 1)
    distance = torch.abs(squares - 2 * (v @ v.T) + squares.T)
    h = torch.eye(m, dtype=v.dtype) - torch.ones(m, m, dtype=v.dtype) / m
    kc = torch.exp(-distance / (2 * SIGMA**2 * d)) @ h
    return kc @ torch.inverse(kc + EPSILON * m * torch.eye(m, dtype=v.dtype))


def authors_nhsic(u, v):
    return (authors_normalized(u) * authors_normalized(v).T).sum()


class Authors:
    """For each block: whole forward, both terms from scratch, backward through all blocks below it,
    a new optimizer (so its momentum never acts)."""

    def __init__(self, widths, dtype=torch.float32):
        self.net = make_network(widths, dtype)

    def hiddens(self, x):
        result = []
        for block in self.net:
            x = block(x)
            result.append(x)
        return result

    def step(self, x, labels):
        y = one_hot(labels, x.dtype)
        self.hiddens(x)  # the authors' loop does this before it starts
        for i, block in enumerate(self.net):
            z = self.hiddens(x)[i]
            optimizer = torch.optim.SGD(block.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=1e-3)
            optimizer.zero_grad()
            (authors_nhsic(z, x) - BETA * authors_nhsic(z, y)).backward()
            optimizer.step()


# ---- tuned: shared work once a batch, local autograd -------------------------------------------


def squared_distances(v):
    v = v - v.mean(0)
    squares = (v * v).sum(1)
    return torch.addmm(squares[:, None] + squares[None, :], v, v.T, alpha=-2).clamp_min(0)


def center(k):
    rows = k.mean(1)
    return k - rows[:, None] - (rows - rows.mean())[None, :]


def ridge_system(v):
    """Kc + c I and c."""
    m, d = v.shape
    kc = center(torch.exp(squared_distances(v) / (-2 * SIGMA**2 * d)))
    c = EPSILON * m
    return kc + c * torch.eye(m, dtype=v.dtype), c


class Tuned:
    """R_X and R_Y once a batch; each block on its detached input; autograd through Cholesky factor
    and inverse; one lasting SGD. nHSIC(Z, V) = tr(R_V) - c tr(T_Z R_V), R = I - c T."""

    def __init__(self, widths, dtype=torch.float32, order="jacobi", weight_decay=0.0):
        self.net = make_network(widths, dtype)
        self.order = order
        self.optimizers = [
            torch.optim.SGD(block.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=weight_decay, fused=True)
            for block in self.net
        ]

    @staticmethod
    @torch.no_grad()
    def normalized(v):
        a, c = ridge_system(v)
        t = torch.cholesky_inverse(torch.linalg.cholesky(a))
        return torch.eye(len(v), dtype=v.dtype) - c * t

    def step(self, x, labels):
        mix = self.normalized(x) - BETA * self.normalized(one_hot(labels, x.dtype))
        trace = mix.trace()
        h = x
        for block, optimizer in zip(self.net, self.optimizers):
            optimizer.zero_grad(set_to_none=True)
            z = block(h)
            a, c = ridge_system(z)
            t = torch.cholesky_inverse(torch.linalg.cholesky(a))
            (trace - c * (t * mix).sum()).backward()
            optimizer.step()
            if self.order == "jacobi":
                h = z.detach()
            else:
                with torch.no_grad():
                    h = block(h)

    def gradients(self):
        return [block[0].weight.grad.clone() for block in self.net]


# ---- closed form: no autograd at all ----------------------------------------------------------


def expm1(x):
    """exp(x) - 1 for x <= 0 by tanh, whose rounding is relative: 10 times faster than torch.expm1."""
    t = torch.tanh_(x.mul_(0.5))
    return t.mul(2).div_(t.neg_().add_(1))


def kernel_minus_one(v):
    """E = K - 1: centering removes the constant, and E keeps the digits that K rounds off."""
    m, d = v.shape
    v = v - v.mean(0)
    gram = v @ v.T
    scale = 1 / (2 * SIGMA**2 * d)
    half = gram.diagonal() * scale
    exponent = gram.mul_(2 * scale).sub_(half[:, None]).sub_(half[None, :])
    return expm1(exponent.clamp_max_(0))


def inverse_of_centered(e):
    """T = (H E H + c I)^-1; the row means are taken by columns (E is symmetric)."""
    m = len(e)
    rows = e.mean(0)
    a = (e - rows[:, None]).sub_((rows - rows.mean())[None, :])
    a.diagonal().add_(EPSILON * m)
    factor, _ = torch.linalg.cholesky_ex(a)
    return torch.cholesky_inverse(factor)


class ClosedForm:
    """dL/dZ in closed form, the block's own gradient by PyTorch's backward kernels, no autograd;
    the low-rank label form; the momentum buffer takes the weight gradient in the same product.
    Two Python threads (PyTorch releases the interpreter lock inside its products), one intra-op
    thread in each: R_X beside the forward chain, then the blocks, largest first."""

    def __init__(self, widths, dtype=torch.float32, threads=2):
        net = make_network(widths, dtype)
        torch.set_num_threads(1)
        self.pool = ThreadPoolExecutor(threads)
        self.weights = [block[0].weight.detach().clone() for block in net]
        self.biases = [block[0].bias.detach().clone() for block in net]
        self.means = [block[1].running_mean.clone() for block in net]
        self.variances = [block[1].running_var.clone() for block in net]
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

    @staticmethod
    @torch.inference_mode()
    def mix(x, labels):
        """M = R_X - beta R_Y. R_Y = B (c I + B'B)^-1 B', B = sqrt(1 - a) H Y: no inverse but C x C."""
        m = len(x)
        c = EPSILON * m
        result = inverse_of_centered(kernel_minus_one(x)).mul_(-c)
        result.diagonal().add_(1)
        a = torch.exp(torch.tensor(-1 / (SIGMA**2 * CLASSES), dtype=x.dtype))
        y = one_hot(labels, x.dtype)
        b = (1 - a).sqrt() * (y - y.mean(0))
        system = b.T @ b
        system.diagonal().add_(c)
        return result.addmm_(torch.linalg.solve(system, b.T).T, b.T, alpha=-BETA)

    @staticmethod
    @torch.inference_mode()
    def signal(z, mix):
        """dL/dZ = -(2 / (sigma^2 d)) (diag(W 1) - W) Z, W = (c H T M T H) o K.

        T M T is centered already, but its rounding is not: without H the error in float32 is 30 to
        1000 times larger."""
        m, d = z.shape
        e = kernel_minus_one(z)
        t = inverse_of_centered(e)
        g = t @ mix @ t
        rows = g.mean(0)
        g.sub_(rows[:, None]).sub_((rows - rows.mean())[None, :])
        w = torch.addcmul(g, g, e)
        factor = 2 * EPSILON * m / (SIGMA**2 * d)
        return torch.addmm(w.sum(0)[:, None] * z, w, z, beta=-factor, alpha=factor)

    @torch.inference_mode()
    def update(self, kept, i, dz):
        x, pre, z, center, inverse_deviation = kept[i]
        dz = torch.ops.aten.threshold_backward(dz, z, 0)
        dpre, _, _ = torch.ops.aten.native_batch_norm_backward(
            dz, pre, None, None, None, center, inverse_deviation, True, NORM_EPSILON, [True, False, False]
        )
        self.momenta[i].addmm_(dpre.T, x, beta=MOMENTUM)
        self.weights[i].add_(self.momenta[i], alpha=-LEARNING_RATE)

    @torch.inference_mode()
    def block(self, kept, mix, i):
        self.update(kept, i, self.signal(kept[i][2], mix))

    def step(self, x, labels):
        mix = self.pool.submit(self.mix, x, labels)
        kept = self.forward(x)
        mix = mix.result()
        list(self.pool.map(lambda i: self.block(kept, mix, i), range(len(kept))))

    def gradients(self):
        """Of the first step only, when the momentum buffers held 0."""
        return [g.clone() for g in self.momenta]


class Batched(ClosedForm):
    """The same with all blocks stacked in one tensor: batched products on all intra-op threads.
    The last, narrow block is padded with columns of 0, which change no distance."""

    def __init__(self, widths, dtype=torch.float32, threads=2, compiled=False):
        assert len(set(widths)) == 1 and widths[0] >= CLASSES, "blocks are stacked: equal widths only"
        super().__init__(widths, dtype, threads=1)
        torch.set_num_threads(threads)
        scale = [[[1 / (2 * SIGMA**2 * d)]] for d in [*widths, CLASSES]]
        self.scale = torch.tensor(scale, dtype=dtype)
        self.signals = torch.compile(stacked_signals) if compiled else stacked_signals

    @torch.inference_mode()
    def step(self, x, labels):
        mix = self.mix(x, labels)
        kept = self.forward(x)
        z = [k[2] for k in kept]
        z[-1] = nn.functional.pad(z[-1], (0, z[0].shape[1] - CLASSES))
        dz = self.signals(torch.stack(z), mix, self.scale)
        for i in range(len(kept)):
            self.update(kept, i, dz[i, :, : kept[i][2].shape[1]].contiguous())


def stacked_signals(z, mix, scale):
    """`ClosedForm.signal` of n blocks at once: z is n x m x d."""
    c = EPSILON * z.shape[1]
    v = (z - z.mean(1, keepdim=True)) * (2 * scale).sqrt()
    gram = v @ v.mT
    half = gram.diagonal(dim1=1, dim2=2) * 0.5
    e = expm1((gram - half[:, :, None] - half[:, None, :]).clamp_max(0))
    rows = e.mean(1)
    a = e - rows[:, :, None] - (rows - rows.mean(1, keepdim=True))[:, None, :]
    a.diagonal(dim1=1, dim2=2).add_(c)
    t = torch.cholesky_inverse(torch.linalg.cholesky_ex(a)[0])
    g = (t @ mix) @ t
    rows = g.mean(1)
    g = g - rows[:, :, None] - (rows - rows.mean(1, keepdim=True))[:, None, :]
    w = torch.addcmul(g, g, e) * (4 * c * scale)
    return torch.baddbmm(w.sum(1)[:, :, None] * z, w, z, beta=-1)


# ---- checks, and the line protocol ------------------------------------------------------------


def largest_difference(found, expected):
    """Of each pair of tensors, relative to the largest entry expected; the worst pair."""
    return max(((a.double() - b.double()).abs().max() / b.abs().max()).item() for a, b in zip(found, expected))


def check(widths, m):
    """The rivals compute the same thing. In float64 to rounding; in float32 to what it allows."""
    found = {}
    for dtype in (torch.float64, torch.float32):
        x, labels = make_batches(m, 1, dtype)[0]
        for name, make in (("tuned", Tuned), ("closed-form", ClosedForm), ("batched", Batched)):
            rival = make(widths, dtype)
            rival.step(x, labels)
            found[name, dtype] = rival.gradients()
    exact = found["tuned", torch.float64]
    for (name, dtype), gradients in found.items():
        difference = largest_difference(gradients, exact)
        print(f"check: weight gradients of {name}, {dtype}: {difference:.1e} from autograd in float64")
        assert difference < (1e-8 if dtype == torch.float64 else 1e-3), (name, dtype, difference)

    x, labels = make_batches(m, 1, torch.float64)[0]
    authors = Authors(widths, torch.float64)
    tuned = Tuned(widths, torch.float64, order="gauss-seidel", weight_decay=1e-3)
    jacobi = Tuned(widths, torch.float64, weight_decay=1e-3)
    start = [block[0].weight.detach().clone() for block in tuned.net]
    steps = []
    for rival in (authors, tuned, jacobi):
        rival.step(x, labels)
        steps.append([block[0].weight.detach() - w for block, w in zip(rival.net, start)])
    difference, other_order = (largest_difference(s, steps[0]) for s in steps[1:])
    print(f"check: first update of authors and tuned gauss-seidel, float64: {difference:.1e} (jacobi: {other_order:.1e})")
    assert difference < 1e-8, difference
    assert other_order > 1e-4, "the comparison cannot tell the orders apart"


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


RIVALS = {
    "authors": Authors,
    "tuned": Tuned,
    "closed-form": ClosedForm,
    "batched": Batched,
    "batched-compiled": lambda widths, threads: Batched(widths, threads=threads, compiled=True),
    "back-propagation": BackPropagation,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[*RIVALS, "products", "check"])
    parser.add_argument("--widths", default="256x6", help="WIDTHxCOUNT of the hidden blocks")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    width, count = map(int, arguments.widths.split("x"))
    widths = [width] * count
    torch.set_num_threads(arguments.threads)
    if arguments.name == "check":
        check(widths, arguments.batch_size)
        return
    if arguments.name == "products":
        products = Products()
        answer = lambda steps: products.rates()
    else:
        takes_threads = arguments.name.startswith(("closed", "batched"))
        rival = RIVALS[arguments.name](widths, **({"threads": arguments.threads} if takes_threads else {}))
        batches = make_batches(arguments.batch_size, 8)
        rival.step(*batches[0])  # compiles, allocates

        def answer(steps):
            times = []
            for i in range(steps):
                start = time.perf_counter()
                rival.step(*batches[i % len(batches)])
                times.append((time.perf_counter() - start) * 1e3)
            return times

    print("ready", flush=True)
    for line in sys.stdin:
        verb, steps = line.split()
        assert verb == "run", line
        print(json.dumps(answer(int(steps))), flush=True)


if __name__ == "__main__":
    main()
