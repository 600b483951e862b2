#!/usr/bin/env python3
"""Times one convolution (forward, and the gradient of its own weights and bias) of the Rust engine against PyTorch.

Programs take turns as in `compare.py`. `convolution.py program ...` is the PyTorch side: the line protocol of
`benches/programs/src/bin/convolution.rs`, with the same options. It calls the kernels that autograd would, without autograd and
without the gradient of the input, which a block that learns alone does not need.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from turns import HERE, environment, measure, show, start, summarize

# images, channels from, to, side, kernel, padding; whether the block is the first of its network, which reads a data
# set's order of values (channel by channel).
SHAPES = {
    "64x14x14": (64, 64, 64, 14, 3, 1, False),
    "vgg-1": (256, 3, 32, 32, 3, 1, True),
    "vgg-2": (256, 32, 64, 32, 3, 1, False),
    "vgg-3": (256, 64, 64, 16, 3, 1, False),
    "vgg-4": (256, 64, 128, 8, 3, 1, False),
    "vgg-5": (256, 128, 128, 8, 3, 1, False),
}
OPTIONS = ("images", "from", "to", "side", "kernel", "padding")
PARTS = ("both", "forward", "gradient")
FORMATS = ("contiguous", "channels-last", "mkldnn")  # the last: oneDNN's own blocked order


def program(arguments):
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    ordered = {
        "contiguous": lambda maps: maps,
        "channels-last": lambda maps: maps.contiguous(memory_format=torch.channels_last),
        "mkldnn": lambda maps: maps.to_mkldnn(),
    }[arguments.memory_format]
    m, channels, outputs, side = arguments.images, getattr(arguments, "from"), arguments.to, arguments.side
    layer = torch.nn.Conv2d(channels, outputs, arguments.kernel, padding=arguments.padding)
    weight, bias = layer.weight.detach(), layer.bias.detach()
    if arguments.memory_format == "channels-last":
        weight = ordered(weight)
    padding = [arguments.padding] * 2
    # Maps lie in the kernel's own order, also where a data set would have another: as if converted when loaded.
    x = ordered(torch.randn(m, channels, side, side))
    forward, backward = arguments.part != "gradient", arguments.part != "forward"
    with torch.inference_mode():
        dz = ordered(torch.randn(torch.conv2d(x, weight, bias, 1, padding).shape))

        def step():
            if forward:
                torch.conv2d(x, weight, bias, 1, padding)
            if backward:
                torch.ops.aten.convolution_backward(
                    dz, x, weight, [outputs], [1, 1], padding, [1, 1], False, [0, 0], 1, [False, True, True]
                )

        step()
        print("ready", flush=True)
        for line in sys.stdin:
            times = []
            for _ in range(int(line.split()[1])):
                begin = time.perf_counter()
                step()
                times.append((time.perf_counter() - begin) * 1e3)
            print(json.dumps(times), flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", nargs="?", choices=["program"], help="be the PyTorch side of the line protocol")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20, help="timed repetitions of a turn")
    parser.add_argument("--shapes", default=",".join(SHAPES), help="comma-separated [default: all]")
    parser.add_argument("--thread-counts", default="1,2")
    parser.add_argument("--part", choices=PARTS, default="both")
    parser.add_argument("--ours", type=Path, help="the built example `convolution`")
    parser.add_argument("--python", default=sys.executable, help="interpreter with torch")
    parser.add_argument("--json", type=Path, help="file for every time")
    for name in OPTIONS:
        parser.add_argument(f"--{name}", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--memory-format", choices=FORMATS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.program and arguments.ours is None:
        parser.error("--ours PATH is needed (run.sh convolution builds ours and passes it)")
    unknown = [name for name in arguments.shapes.split(",") if name not in SHAPES]
    if unknown:
        parser.error(f"--shapes {','.join(unknown)}: expected some of {', '.join(SHAPES)}")
    return arguments


def main():
    arguments = parse()
    if arguments.program:
        program(arguments)
        return
    before, results = environment(arguments.python), []
    for name in arguments.shapes.split(","):
        *sizes, first = SHAPES[name]
        for threads in map(int, arguments.thread_counts.split(",")):
            options = [part for key, size in zip(OPTIONS, sizes) for part in (f"--{key}", size)]
            options += ["--threads", threads, "--part", arguments.part]
            rival = [arguments.python, HERE / "convolution.py", "program", *options, "--memory-format"]
            commands = {"ours": [arguments.ours, *options, "--planar", "yes" if first else "no"]}
            commands |= {f"PyTorch, {order}": [*rival, order] for order in FORMATS}
            programs, _ = start(commands)
            rounds = measure(programs, arguments.rounds, arguments.steps, warm_up=2)
            for each in programs:
                each.close()
            rows = summarize([p.name for p in programs], "ours", rounds)
            images, channels, outputs, side, kernel, _ = sizes
            # A product and a sum for each tap, channel, output and pixel; twice that with the gradient.
            flops = 2 * images * channels * outputs * kernel**2 * side**2 * (2 if arguments.part == "both" else 1)
            for row in rows:
                row["gflops"] = flops / row["median_milliseconds"] / 1e6
            show(f"{name}: {images} x {channels} -> {outputs} channels, {side} x {side}, {kernel} x {kernel}, "
                 f"{arguments.part}, {threads} thread{'s' * (threads > 1)}; {arguments.rounds} rounds of "
                 f"{arguments.steps}; ratio = ours / program; "
                 + ", ".join(f"{row['program']} {row['gflops']:.0f}" for row in rows) + " GFLOP/s", rows)
            sys.stdout.flush()
            results.append({"shape": name, "sizes": sizes, "threads": threads, "part": arguments.part,
                            "summary": rows, "rounds": rounds})
            if arguments.json:  # after each, so that what comes later loses nothing
                arguments.json.write_text(json.dumps({"environment": before, "results": results}) + "\n")


if __name__ == "__main__":
    main()
