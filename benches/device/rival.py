"""Convolutions of VGG8b and a step of back-propagation by PyTorch itself: `rival.py cuda|cpu`.

Medians over repetitions between two events of the device. A convolution is timed forward, and for the gradient of its weights alone.
The roofline of a step is its multiply-adds: 949 M a sample forward, as many for the weights' gradient, and for
back-propagation as many again for the inputs' gradient.
"""

import statistics
import sys
import time

import torch

LAYERS = [(3, 128, 32), (128, 256, 32), (256, 256, 16), (256, 512, 16), (512, 512, 8), (512, 512, 4)]
MULTIPLY_ADDS = 949e6


def seconds(device, work, repetitions):
    work()
    times = []
    for _ in range(repetitions):
        if device == "cuda":
            torch.cuda.synchronize()
        begin = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def convolutions(device, batch, repetitions):
    for channels, outputs, side in LAYERS:
        for name, dtype, tf32 in [("f32", torch.float32, False), ("tf32", torch.float32, True), ("bf16", torch.bfloat16, False)]:
            if device == "cpu" and name == "tf32":
                continue
            torch.backends.cudnn.allow_tf32 = tf32
            form = dict(device=device, dtype=dtype, memory_format=torch.channels_last)
            x = torch.randn(batch, channels, side, side).to(**form)
            w = torch.randn(outputs, channels, 3, 3).to(**form)
            da = torch.randn(batch, outputs, side, side).to(**form)
            forward = seconds(device, lambda: torch.nn.functional.conv2d(x, w, padding=1), repetitions)

            def gradient():
                torch.ops.aten.convolution_backward(
                    da, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [False, True, False]
                )

            back = seconds(device, gradient, repetitions)
            work = 2 * batch * channels * outputs * 9 * side * side / 1e12
            print(
                f"convolution {channels}-{outputs} at {side} x {side}, batch {batch}, {name}: forward {1e3 * forward:.3f} ms"
                f" ({work / forward:.1f} TFLOP/s), weights' gradient {1e3 * back:.3f} ms ({work / back:.1f} TFLOP/s)"
            )


def network():
    layers, channels = [], 3
    for outputs, pooled in [(128, False), (256, True), (256, False), (512, True), (512, True), (512, True)]:
        layers += [torch.nn.Conv2d(channels, outputs, 3, padding=1), torch.nn.BatchNorm2d(outputs), torch.nn.ReLU()]
        layers += [torch.nn.MaxPool2d(2)] if pooled else []
        channels = outputs
    layers += [torch.nn.Flatten(), torch.nn.Linear(2048, 1024), torch.nn.BatchNorm1d(1024), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(1024, 10))


def steps(device, batches, repetitions):
    for tf32 in [False, True] if device == "cuda" else [False]:
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cuda.matmul.allow_tf32 = tf32
        model = network().to(device=device, memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
        for batch in batches:
            x = torch.randn(batch, 3, 32, 32, device=device).to(memory_format=torch.channels_last)
            y = torch.arange(batch, device=device) % 10

            def step():
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()

            took = seconds(device, step, repetitions)
            rate = 6 * MULTIPLY_ADDS * batch / took / 1e12
            print(f"back-propagation by PyTorch, batch {batch}, {'tf32' if tf32 else 'f32'}: {1e3 * took:.2f} ms a step ({rate:.1f} TFLOP/s)")


if __name__ == "__main__":
    device = sys.argv[1]
    print(f"PyTorch {torch.__version__} on {torch.cuda.get_device_name() if device == 'cuda' else 'the processors'}")
    if device == "cuda":
        convolutions(device, 256, 20)
        steps(device, [256, 512, 1024], 20)
    else:
        convolutions(device, 1, 1)
        steps(device, [2], 1)
