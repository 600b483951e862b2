"""The networks and batches of the comparison, in PyTorch: those of `NETWORKS` in `network/models.rs`.

Blocks of Linear or Conv2d, batch norm without scale and shift, max pooling, relu. As a block learns alone,
`make_network(...)[i]` is block i.
"""

from collections import namedtuple
from dataclasses import dataclass

import torch
from torch import nn

CLASSES = 10
NORM_EPSILON = 1e-5
FEW_BLOCKS = 20  # the authors' schedule is quadratic in the depth: above so many blocks it is left out
NETWORKS = ("mlp", "vgg", "resnet-conv")
OWN_WIDTHS = {"mlp": "256x6", "vgg": "32,64p,64p,128,128p", "resnet-conv": "64x6"}
OWN_SHAPE = {"mlp": "1x28x28", "vgg": "3x32x32", "resnet-conv": "1x28x28"}

Conv = namedtuple("Conv", "outputs kernel stride padding pool residual")
Dense = namedtuple("Dense", "outputs")
# `rows` is what kernels see of the input, `maps` what the first block takes (the same memory where it can be).
Batch = namedtuple("Batch", "rows maps labels")


def add_arguments(parser):
    parser.add_argument("--network", choices=NETWORKS, default="mlp")
    parser.add_argument("--shape", help="CxHxW of a sample [default: the network's own]")
    parser.add_argument("--widths", help="blocks before the last, as of `hsic train` (256x6; 32,64p) [default: the network's own]")
    parser.add_argument("--feature", default="pool:2", help="what HSIC sees of a map: flat or pool:K")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)


def command_line(arguments):
    """The same options for another program, our own or a rival."""
    options = []
    for name in ("network", "shape", "widths", "feature", "batch_size", "threads"):
        value = getattr(arguments, name)
        if value is not None:
            options += ["--" + name.replace("_", "-"), str(value)]
    return options


@dataclass(frozen=True)
class Setting:
    """What is trained; `channels_last` is the order of maps in memory."""

    network: str
    shape: tuple
    widths: tuple
    pool: int  # 0: features are whole maps
    dtype: torch.dtype = torch.float32
    channels_last: bool = False
    seed: int = 0

    @staticmethod
    def of(arguments):
        pool = 0
        if arguments.feature != "flat":
            kind, _, side = arguments.feature.partition(":")
            if kind != "pool" or not side.isdigit() or int(side) < 1:
                raise SystemExit(f"--feature {arguments.feature}: expected flat or pool:K with K >= 1")
            pool = int(side)
        shape = tuple(map(int, (arguments.shape or OWN_SHAPE[arguments.network]).split("x")))
        widths = tuple(parse_widths(arguments.widths or OWN_WIDTHS[arguments.network]))
        return Setting(arguments.network, shape, widths, pool)

    @property
    def columns(self):
        channels, height, width = self.shape
        return channels * height * width

    @property
    def dense(self):
        return self.network == "mlp"

    def blocks(self):
        if self.network == "mlp":
            return [*(Dense(width) for width, _ in self.widths), Dense(CLASSES)]
        if self.network == "vgg":
            return [*(Conv(width, 3, 1, 1, 2 if p else 1, False) for width, p in self.widths), Dense(CLASSES)]
        first, *rest = (width for width, _ in self.widths)
        return [Conv(first, 5, 2, 0, 1, False), *(Conv(width, 5, 1, 2, 1, True) for width in rest), Dense(512)]

    def feature(self, z):
        """m x d: what the objective sees. HSIC does not ask for the order of columns, so none is made."""
        if z.dim() == 2:
            return z
        k = self.pool
        if k and max(z.shape[2:]) > k:
            # Ours cuts a side that k does not divide into fields that do not overlap, PyTorch's overlap.
            assert z.shape[2] % k == 0 and z.shape[3] % k == 0, f"--feature pool:{k} of a map of {tuple(z.shape[2:])}"
            z = nn.functional.adaptive_avg_pool2d(z, k)
        return (z.permute(0, 2, 3, 1) if self.channels_last else z).flatten(1)


def parse_widths(text):
    """(width, pooled) of each block."""
    for part in text.split(","):
        width, _, count = part.removesuffix("p").partition("x")
        count = int(count or 1)
        for i in range(count):
            yield int(width), part.endswith("p") and i == count - 1


def make_batch(setting, rows, labels):
    """Maps lie in the order that the blocks want: no step pays for that."""
    rows = rows.to(setting.dtype)
    if setting.dense:
        return Batch(rows, rows, labels)
    maps = rows.view(-1, *setting.shape)
    if setting.channels_last:
        maps = maps.contiguous(memory_format=torch.channels_last)
    return Batch(rows, maps, labels)


def make_batches(setting, m, count):
    """Sparse rows in [0, 1] with a part that depends on the class, like images of digits."""
    _, height, width = setting.shape
    generator = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(count):
        labels = torch.randint(CLASSES, (m,), generator=generator)
        line = torch.arange(setting.columns) // width
        inside = (line[None, :] + 3 * labels[:, None]) % max(height // 2, 1) < 3
        drawn = torch.rand(m, setting.columns, generator=generator) < torch.where(inside, 0.6, 0.08)
        batches.append(make_batch(setting, torch.rand(m, setting.columns, generator=generator) * drawn, labels))
    return batches


class Flatten(nn.Module):
    """Maps to rows in the order in which they lie in memory: a view. `own_order` is that of a Linear's columns."""

    def __init__(self, channels, channels_last):
        super().__init__()
        self.channels = channels
        self.channels_last = channels_last

    def forward(self, x):
        return (x.permute(0, 2, 3, 1) if self.channels_last else x).flatten(1)

    def own_order(self, weight):
        """Columns by channel, then pixel (PyTorch's `flatten`) -> columns as this one orders them."""
        if not self.channels_last:
            return weight
        return weight.view(len(weight), self.channels, -1).transpose(1, 2).flatten(1)

    def usual_order(self, weight):
        if not self.channels_last:
            return weight
        return weight.view(len(weight), -1, self.channels).transpose(1, 2).flatten(1)


class Residual(nn.Module):
    """relu(norm(inner(x) + x))."""

    def __init__(self, inner, channels):
        super().__init__()
        self.inner = inner
        self.norm = nn.BatchNorm2d(channels, affine=False, eps=NORM_EPSILON)

    def forward(self, x):
        return self.norm(self.inner(x) + x).relu_()


def make_network(setting, classifier=False):
    """One Sequential a block; PyTorch's default initial weights. A classifier has a linear last block, in place of the
    last one if that has a unit a class, else after it.

    A convolution before a batch norm has no bias: the norm takes it off again. Relu follows the pooling, which gives
    the same values (relu keeps the order) for a quarter of the work."""
    torch.manual_seed(setting.seed)
    specs = setting.blocks()
    if classifier and specs[-1].outputs == CLASSES:
        specs.pop()
    channels, height, width = setting.shape
    flat = setting.dense
    if flat:
        channels, height, width = setting.columns, 1, 1
    blocks = []
    for spec in specs:
        if isinstance(spec, Conv):
            layers = [
                nn.Conv2d(channels, spec.outputs, spec.kernel, spec.stride, spec.padding, bias=False),
                nn.BatchNorm2d(spec.outputs, affine=False, eps=NORM_EPSILON),
                *([nn.MaxPool2d(spec.pool)] if spec.pool > 1 else []),
                nn.ReLU(inplace=True),
            ]
            side = lambda n: ((n + 2 * spec.padding - spec.kernel) // spec.stride + 1) // spec.pool
            channels, height, width = spec.outputs, side(height), side(width)
            blocks.append(nn.Sequential(Residual(nn.Sequential(*layers), channels)) if spec.residual else nn.Sequential(*layers))
        else:
            layers = [] if flat else [Flatten(channels, setting.channels_last)]
            layers += [
                nn.Linear(channels * height * width, spec.outputs),
                nn.BatchNorm1d(spec.outputs, affine=False, eps=NORM_EPSILON),
                nn.ReLU(inplace=True),
            ]
            blocks.append(nn.Sequential(*layers))
            channels, height, width, flat = spec.outputs, 1, 1, True
    if classifier:
        layers = [] if flat else [Flatten(channels, setting.channels_last)]
        blocks.append(nn.Sequential(*layers, nn.Linear(channels * height * width, CLASSES)))
    net = nn.Sequential(*blocks).to(setting.dtype).train()
    if setting.channels_last:
        net = net.to(memory_format=torch.channels_last)
        put_weights(net, [parameter.detach().clone() for parameter in parameters_of_weights(net)])
    return net


def parameters_of_weights(net):
    return [parameter for parameter in net.parameters() if parameter.dim() > 1]


def flattens(net):
    """The Flatten before each weight, or None."""
    result = []
    for block in net:
        result += [next((layer for layer in block if isinstance(layer, Flatten)), None)]
    return result


def weights(net, of=lambda parameter: parameter):
    """The weight of each block (or `of` it) in PyTorch's usual order."""
    found = zip(parameters_of_weights(net), flattens(net))
    return [flatten.usual_order(of(w)).clone() if flatten else of(w).clone() for w, flatten in found]


@torch.no_grad()
def put_weights(net, values):
    """Puts back what `weights` gave."""
    for parameter, flatten, value in zip(parameters_of_weights(net), flattens(net), values, strict=True):
        parameter.copy_(flatten.own_order(value) if flatten else value)


def one_hot(labels, dtype):
    return nn.functional.one_hot(labels, CLASSES).to(dtype)


# ---- how much arithmetic a step of a dense network is -----------------------------------------


PANEL = 64  # symmetric results are formed in panels of so many rows, up to the diagonal

Operations = namedtuple("Operations", "dense own own_without_x back_propagation")
Operations.__doc__ = """Floating-point operations of one step, the products' and factorizations' alone.

dense: T M T from full matrices. own: the factored form at the head of `crates/hsic/src/objective.rs`.
own_without_x: the same without R_X. back_propagation: forward, weight gradient, and
the input's gradient of all blocks but the first.
"""


def operations(setting, m):
    """`Operations` of one step of a dense network at m rows.

    dense: symmetric results cost (1 + 64 / m) / 2 of the full product; factor, inverse and N'N of T about 1.61 m^3."""
    assert setting.dense, "counted for dense blocks only"
    outputs = [block.outputs for block in setting.blocks()]
    sides = list(zip([setting.columns, *outputs], outputs))
    blocks, columns = len(outputs), sum(outputs)
    cube, square = m**3, m**2
    layers = 2 * m * sum(a * b for a, b in sides)  # forward; the weight gradients are as many
    half = (1 + PANEL / m) / 2
    gram, laplacian = 2 * half * square, 2 * square * columns
    return Operations(
        dense=2 * layers + gram * (setting.columns + columns) + 1.61 * cube * (blocks + 1)
        + 2 * (1 + half) * cube * blocks + laplacian,
        # A block: inverse root 2/3, N F 1/3, N'P 2/3, G 1; R_X: inverse root 2/3, T 1/3, its factor 1/3.
        own=2 * layers + square * (setting.columns + columns) + 4 / 3 * cube + 8 / 3 * cube * blocks + laplacian,
        # A block: inverse root 2/3; N U, N'Q and G of C columns.
        own_without_x=2 * layers + square * columns + (2 / 3 * cube + 3 * square * CLASSES) * blocks + laplacian,
        back_propagation=3 * layers - 2 * m * sides[0][0] * sides[0][1],
    )


def parameter_bytes(setting, classifier=False):
    """Of a dense network in float32: bytes of weights and biases, of the largest block's, of running statistics."""
    assert setting.dense, "counted for dense blocks only"
    outputs = [block.outputs for block in setting.blocks()]
    blocks = [4 * (a + 1) * b for a, b in zip([setting.columns, *outputs], outputs)]
    normed = outputs[:-1] if classifier else outputs
    return sum(blocks), max(blocks), sum(4 * 2 * width for width in normed)
