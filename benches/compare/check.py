"""Asserts that all programs of the comparison compute the same thing; README.md says what and how closely."""

import argparse
import json
import struct
import subprocess
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import torch

import networks
from networks import Setting, make_batch, make_batches, one_hot
from objective import BETA, normalized
from rivals import Authors, BackPropagation, Checkpointed, Tuned, variants, why_no_compiler

EXACT = 1e-8  # float64
ROUNDED = 1e-3  # float32, dense blocks
# Of some hundred thousand values of a map a few lie so near a kink (relu at 0, two equal maxima) that rounding moves
# them to its other side; each changes the gradient by all of its own part. Seen: 6e-3, and 2e-6 where none does.
ROUNDED_MAPS = 2e-2
# The same happens to dense blocks, more often the deeper they lie: seen 1e-5 in the tenth block, 6e-2 in the fiftieth,
# 1.5e-1 by back-propagation through fifty. Float64 holds the forms to `EXACT` at any depth.
ROUNDED_DEEP = 4e-1


def difference_of(found, expected):
    """Norm of the difference of each pair of tensors, relative to that of the expected one; the worst pair."""
    pairs = zip(found, expected, strict=True)
    return max(((a.double() - b.double()).norm() / b.double().norm()).item() for a, b in pairs)


def rounded(setting):
    if len(setting.blocks()) > networks.FEW_BLOCKS:
        return ROUNDED_DEEP
    return ROUNDED if setting.dense else ROUNDED_MAPS


def report(what, difference, most):
    print(f"check: {what}: {difference:.1e}", flush=True)
    assert difference < most, f"{what}: {difference}, expected below {most}"


def check_rivals(setting, m, threads, names, of):
    """Weight gradients of one step of all variants of the local rivals, in float64 to rounding, in float32 to what it
    allows: those of the rival class `of` in float64."""
    exact = gradients_of_first_step(of, replace(setting, dtype=torch.float64), m)
    for dtype in (torch.float64, torch.float32):
        for name in names:
            for label, (make, own) in variants(name, replace(setting, dtype=dtype), threads).items():
                gradients = gradients_of_first_step(make, own, m)
                what = f"weight gradients of {name} {label}".strip()
                most = EXACT if dtype == torch.float64 else rounded(setting)
                report(f"{what}, {dtype}, from autograd in float64", difference_of(gradients, exact), most)


def check_checkpoints(setting, m):
    """Activations computed again give the same gradients."""
    setting = replace(setting, dtype=torch.float64)
    found, expected = (gradients_of_first_step(rival, setting, m) for rival in (Checkpointed, BackPropagation))
    report("weight gradients of back-propagation with checkpoints, float64", difference_of(found, expected), EXACT)


class WithoutX(Tuned):
    """Autograd through the whole inverse, the X term left out: what the rivals without X are checked against."""

    def shared(self, batch):
        mixed = -BETA * normalized(one_hot(batch.labels, batch.rows.dtype))
        return mixed, mixed.trace()


def gradients_of_first_step(make, setting, m):
    rival = make(setting)
    rival.step(make_batches(setting, m, 1)[0])
    return rival.gradients()


def check_authors(setting, m):
    """The first update of the authors' schedule is that of `tuned` in gauss-seidel order, and not jacobi's."""
    setting = replace(setting, dtype=torch.float64)
    batch = make_batches(setting, m, 1)[0]
    steps = []
    for rival in (
        Authors(setting),
        Tuned(setting, order="gauss-seidel", weight_decay=1e-3),
        Tuned(setting, weight_decay=1e-3),
    ):
        start = networks.weights(rival.net)
        rival.step(batch)
        steps.append([(after - before).detach() for after, before in zip(networks.weights(rival.net), start)])
    difference, other_order = (difference_of(s, steps[0]) for s in steps[1:])
    report(f"first update of authors and tuned gauss-seidel, float64 (jacobi: {other_order:.1e})", difference, EXACT)
    assert other_order > 1e-4, "the comparison cannot tell the orders apart"


def tensors_of(path):
    """A safetensors file of float32."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header.pop("__metadata__", None)
    result = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, end = entry["data_offsets"]
        result[name] = torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32).view(entry["shape"])
    return result


def check_ours(program, options, setting, rival_of, what):
    """The first gradients of our engine, from its own weights and batch, beside autograd in float64."""
    setting = replace(setting, dtype=torch.float64)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "first.safetensors"
        command = [program, *options]
        subprocess.run(command, input=f"first {path}\n", text=True, check=True, stdout=subprocess.DEVNULL)
        tensors = tensors_of(path)
    index = lambda name: int(name.split(".")[1])
    of = lambda when, kind: [
        tensors[name].double()
        for name in sorted((n for n in tensors if n.startswith(when) and n.endswith(kind)), key=index)
    ]
    rival = rival_of(setting)
    networks.put_weights(rival.net, of("before", ".weight"))
    if rival_of is BackPropagation:  # the bias of the linear last block, the only one that no norm takes off
        with torch.no_grad():
            rival.net[-1][-1].bias.copy_(of("before", ".bias")[-1])
    rival.step(make_batch(setting, tensors["x"], tensors["labels"].long()))
    gradients = [before - after for before, after in zip(of("before", ".weight"), of("after", ".weight"))]
    difference = difference_of(gradients, rival.gradients())
    report(f"weight gradients of ours, {what}, from autograd in float64", difference, rounded(setting))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    networks.add_arguments(parser)
    parser.add_argument("--ours", help="the built example `step`")
    parser.add_argument("--compiled", action="store_true", help="the compiled rival too")
    parser.add_argument("--without-x", action="store_true", help="the programs without the X term too")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)  # torch.compile of itself
    setting = Setting.of(arguments)
    if not setting.dense:  # float64 convolutions have no fast kernels
        arguments.batch_size = min(arguments.batch_size, 32)
    torch.set_num_threads(arguments.threads)
    compiled = arguments.compiled
    if compiled and (why := why_no_compiler()):
        print(f"check: torch.compile cannot be used here: {why}")
        compiled = False
    m, threads = arguments.batch_size, arguments.threads
    names = ["tuned", "closed-form", *(["batched"] if setting.dense else []), *(["compiled"] if compiled else [])]
    check_rivals(setting, m, threads, names, Tuned)
    if arguments.without_x:
        check_rivals(setting, m, threads, ["tuned-without-x", "closed-form-without-x"], WithoutX)
    torch.set_num_threads(threads)
    if setting.dense:  # what benches/memory measures
        check_checkpoints(setting, m)
    if len(setting.blocks()) > networks.FEW_BLOCKS:
        print(f"check: authors: not above {networks.FEW_BLOCKS} blocks")
    else:
        check_authors(setting, m)
    if arguments.ours:
        options = networks.command_line(arguments)
        check_ours(arguments.ours, [*options, "--method", "hsic"], setting, Tuned, "hsic")
        check_ours(arguments.ours, [*options, "--method", "backprop"], setting, BackPropagation, "backprop")
        if arguments.without_x:
            check_ours(arguments.ours, [*options, "--x-weight", "0"], setting, WithoutX, "without X")


if __name__ == "__main__":
    main()
