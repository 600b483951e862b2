#!/usr/bin/env python3
"""three_blocks.json: a network of three blocks trained by local HSIC objectives, step by step.

Network: one flat torch.nn.Sequential(Linear(12, 9), BatchNorm1d(9, affine=False), act,
Linear(9, 8), BatchNorm1d, act, Linear(8, 4), BatchNorm1d, act); block i is three entries of it.
Loss of block i, on its output Z alone (its input is detached):

    x_weight nHSIC(Z, X) - beta nHSIC(Z, Y),   nHSIC(U, V) = tr(R_U R_V),
    R = Kc (Kc + epsilon m I)^-1, K = exp(-|v_i - v_j|^2 / (2 sigma^2 d)), labels one-hot

by automatic differentiation in float64. X is the network's input. An optimizer for each block lives
as long as the run. Orders:

    jacobi         every Z_i comes from the weights before the step
    gauss-seidel   block i + 1 reads the output of block i recomputed, in train mode, with the new
                   weights of block i; that second pass alone updates the running statistics

A batch norm follows each linear layer, so the gradient of a bias is exactly 0. It is not stored:
here it is rounding (below 1e-13), which AdamW turned into less than 2e-9 over ten steps. In float32
the same rounding moves AdamW's biases visibly (and with them the running means, nothing else).

Inputs and initial tensors are exact in float32. `float32_deviation` of a case says how far the same
program in float32 ends from it, entry by entry of each stored tensor, relative to the largest entry
of that tensor: the worst over blocks and steps. It is a hint for tolerances, not a bound.

Run: python generate.py   (needs torch; writes beside itself; seconds)
The numbers are the shortest text that reads back to the same float64 (at most 17 digits).
"""

import json
import math
import platform
from pathlib import Path

import numpy as np
import torch
from torch import nn

SEED = 190801580
HERE = Path(__file__).resolve().parent
WIDTHS = [12, 9, 8, 4]
CLASSES = 4
ROWS = 20
STEPS = 10
ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "sigmoid": nn.Sigmoid,
    "gelu": lambda: nn.GELU(approximate="none"),
}
SGD = {"kind": "sgd", "learning_rate": 1e-2, "momentum": 0.9, "dampening": 0.0, "weight_decay": 1e-3}
ADAMW = {"kind": "adamw", "learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-2}
OBJECTIVE = {"x_weight": 1.0, "beta": 20.0, "sigma": 2.0, "sigma_labels": 2.0, "epsilon": 1e-3}
#        name, activation, order, optimizer, steps
CASES = [
    ("relu, jacobi, sgd", "relu", "jacobi", SGD, STEPS),
    ("tanh, jacobi, sgd", "tanh", "jacobi", SGD, STEPS),
    ("tanh, jacobi, adamw", "tanh", "jacobi", ADAMW, STEPS),
    ("relu, gauss-seidel, sgd", "relu", "gauss-seidel", SGD, STEPS),
    ("elu, one step", "elu", "jacobi", SGD, 1),
    ("sigmoid, one step", "sigmoid", "jacobi", SGD, 1),
    ("gelu, one step", "gelu", "jacobi", SGD, 1),
]

torch.set_num_threads(1)


def tensor(array):
    array = np.asarray(array)
    return {"shape": list(array.shape), "values": array.astype(np.float64).ravel().tolist()}


def batches():
    """Ten batches: clusters by class, entries multiples of 1/256, every class in every batch."""
    rng = np.random.default_rng(SEED)
    centers = rng.random((CLASSES, WIDTHS[0]))
    result = []
    for _ in range(STEPS):
        rest = rng.choice(CLASSES, ROWS - CLASSES, p=[0.4, 0.3, 0.2, 0.1])
        labels = rng.permutation(np.concatenate([np.arange(CLASSES), rest]))
        x = centers[labels] + 0.25 * rng.standard_normal((ROWS, WIDTHS[0]))
        result.append((np.round(np.clip(x, 0, 1) * 256) / 256, labels))
    return result


def initial():
    """Weights and biases from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), rounded to float32."""
    rng = np.random.default_rng(SEED + 1)
    state = {}
    for i, (fan_in, fan_out) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        bound = 1 / math.sqrt(fan_in)
        draw = lambda *shape: rng.uniform(-bound, bound, shape).astype(np.float32).astype(np.float64)
        state[f"{3 * i}.weight"], state[f"{3 * i}.bias"] = draw(fan_out, fan_in), draw(fan_out)
    return state


def network(activation, dtype):
    layers = []
    for fan_in, fan_out in zip(WIDTHS, WIDTHS[1:]):
        norm = nn.BatchNorm1d(fan_out, affine=False, eps=1e-5, momentum=0.1)
        layers += [nn.Linear(fan_in, fan_out), norm, ACTIVATIONS[activation]()]
    net = nn.Sequential(*layers).to(dtype)
    state = {name: torch.from_numpy(value).to(dtype) for name, value in initial().items()}
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert not unexpected and all("running" in n or "tracked" in n for n in missing)
    return net.train()


def kernel(v, sigma):
    distance = (v[:, None, :] - v[None, :, :]).square().sum(2)
    return torch.exp(-distance / (2 * sigma**2 * v.shape[1]))


def normalized_gram(v, sigma, epsilon):
    m = len(v)
    h = torch.eye(m, dtype=v.dtype) - 1 / m
    kc = h @ kernel(v, sigma) @ h
    factor = torch.linalg.cholesky(kc + epsilon * m * torch.eye(m, dtype=v.dtype))
    return torch.cholesky_solve(kc, factor)


def closed_form(z, mix, sigma, epsilon):
    """dL/dZ = -(2 / (sigma^2 d)) (diag(W 1) - W) Z, W = (c T M T) o K: a check of autograd."""
    m, d = z.shape
    k, c = kernel(z, sigma), epsilon * m
    h = torch.eye(m, dtype=z.dtype) - 1 / m
    t = torch.linalg.inv(h @ k @ h + c * torch.eye(m, dtype=z.dtype))
    w = c * (t @ mix @ t) * k
    return -(2 / (sigma**2 * d)) * (torch.diag(w.sum(1)) - w) @ z


def optimizer(config, parameters):
    if config["kind"] == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=config["learning_rate"],
            momentum=config["momentum"],
            dampening=config["dampening"],
            weight_decay=config["weight_decay"],
        )
    return torch.optim.AdamW(
        parameters,
        lr=config["learning_rate"],
        betas=(config["beta_1"], config["beta_2"]),
        eps=config["epsilon"],
        weight_decay=config["weight_decay"],
    )


def forward_without_statistics(block, h):
    """The block in train mode on batch statistics, running statistics untouched."""
    linear, norm, activation = block
    h = linear(h)
    return activation(nn.functional.batch_norm(h, None, None, training=True, eps=norm.eps))


def train(activation, order, config, steps, dtype):
    net = network(activation, dtype)
    blocks = [net[3 * i : 3 * i + 3] for i in range(len(WIDTHS) - 1)]
    optimizers = [optimizer(config, block.parameters()) for block in blocks]
    o = OBJECTIVE
    record = []
    nearest_kink = math.inf
    for x, labels in batches()[:steps]:
        x = torch.from_numpy(x).to(dtype)
        y = nn.functional.one_hot(torch.from_numpy(labels), CLASSES).to(dtype)
        r_x = normalized_gram(x, o["sigma"], o["epsilon"])
        r_y = normalized_gram(y, o["sigma_labels"], o["epsilon"])
        jacobi = order == "jacobi"
        h, step = x, []
        for i, (block, opt) in enumerate(zip(blocks, optimizers)):
            z = block(h) if jacobi else forward_without_statistics(block, h)
            z.retain_grad()
            r_z = normalized_gram(z, o["sigma"], o["epsilon"])
            x_term, y_term = (r_z * r_x.T).sum(), (r_z * r_y.T).sum()
            opt.zero_grad()
            (o["x_weight"] * x_term - o["beta"] * y_term).backward()
            if dtype == torch.float64:
                expected = closed_form(z.detach(), o["x_weight"] * r_x - o["beta"] * r_y, o["sigma"], o["epsilon"])
                assert torch.allclose(z.grad, expected, rtol=1e-10, atol=1e-11 * expected.abs().max())
                assert block[0].bias.grad.abs().max() < 1e-14 * max(1, block[0].weight.grad.abs().max())
                pre = nn.functional.batch_norm(block[0](h), None, None, training=True, eps=1e-5)
                nearest_kink = min(nearest_kink, pre.abs().min().item())
            values = {
                "x_term": x_term.item(),
                "y_term": y_term.item(),
                "z": z.detach().clone(),
                "dz": z.grad.clone(),
                f"{3 * i}.weight.gradient": block[0].weight.grad.clone(),
            }
            old = block[0].weight.detach().clone()
            opt.step()  # jacobi: the next block reads z, which the old weights made
            assert not torch.equal(old, block[0].weight)
            if jacobi:
                h = z.detach()
            else:
                with torch.no_grad():
                    h = block(h)
            values[f"{3 * i}.weight"] = block[0].weight.detach().clone()
            values[f"{3 * i}.bias"] = block[0].bias.detach().clone()
            step.append(values)
        record.append(step)
    final = {n: b.clone() for n, b in net.state_dict().items() if "running" in n}
    assert all(net[3 * i + 1].num_batches_tracked == steps for i in range(len(blocks)))
    return record, final, nearest_kink


def deviation(exact, rough):
    """Largest relative deviation of each kind of tensor, the worst over blocks and steps."""
    worst = {}
    for step, other in zip(exact, rough):
        for block, twin in zip(step, other):
            for name, value in block.items():
                a, b = (torch.as_tensor(v).double() for v in (value, twin[name]))
                kind = name.split(".", 1)[-1]
                relative = ((a - b).abs().max() / a.abs().max()).item()
                worst[kind] = max(worst.get(kind, 0.0), relative)
    return {kind: float(f"{value:.2g}") for kind, value in worst.items()}


def main():
    cases = []
    for name, activation, order, config, steps in CASES:
        record, final, kink = train(activation, order, config, steps, torch.float64)
        rough, rough_final, _ = train(activation, order, config, steps, torch.float32)
        worst = deviation(record, rough) | {
            kind: max(deviation([[{kind: v}]], [[{kind: rough_final[n]}]])[kind] for n, v in final.items() if kind in n)
            for kind in ("running_mean", "running_var")
        }
        # A unit nearer to the kink of its activation than float32's error could fall on the other side.
        assert kink > 2e-5, (name, kink)
        print(f"{name}: smallest |batch norm output| {kink:.1e}, float32 deviates by {worst}")
        print("   y_term of each block, first and last step:", *(f"{s[i]['y_term']:.4f}" for s in (record[0], record[-1]) for i in range(3)))
        out = []
        for index, step in enumerate(record):
            keep = index in (0, STEPS - 1)
            out.append([
                {n: v if isinstance(v, float) else tensor(v) for n, v in block.items() if keep or n not in ("z", "dz")}
                for block in step
            ])
        cases.append({
            "name": name,
            "activation": activation,
            "order": order,
            "optimizer": config,
            "float32_deviation": worst,
            "steps": out,
            "final": {n: tensor(v) for n, v in final.items()},
        })
    head = {
        "seed": SEED,
        "versions": {"python": platform.python_version(), "torch": torch.__version__.split("+")[0], "numpy": np.__version__},
        "widths": WIDTHS,
        "classes": CLASSES,
        "batch_norm": {"epsilon": 1e-5, "momentum": 0.1, "affine": False},
        "objective": OBJECTIVE,
        "initial": {n: tensor(v) for n, v in initial().items()},
        "batches": [{"x": tensor(x), "labels": labels.tolist()} for x, labels in batches()],
    }
    compact = lambda value: json.dumps(value, separators=(",", ":"), allow_nan=False)
    lines = ",\n".join(map(compact, cases))
    path = HERE / "three_blocks.json"
    path.write_text(f'{compact(head)[:-1]},"cases":[\n{lines}\n]}}\n')
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
