#!/usr/bin/env python3
"""Reference values for the `hsic` crate, by other means than the crate uses.

objective.json   L(Z) = x_weight nHSIC(Z, X) - beta nHSIC(Z, Y), its two terms and dL/dZ:
                 once in float64 by automatic differentiation through Cholesky factor and solve
                 (PyTorch; the closed form takes no part), once with 50 decimal digits by the closed
                 form (mpmath), rounded to float64 at the end (`*_exact`). The first shows that the
                 formula is right, the second how exact the first is.
estimators.json  HSIC biased and unbiased, nHSIC, CKA, debiased CKA of three samples under three
                 kernels: plain NumPy, entry-wise formulas, checked with mpmath.

    K_ij = exp(-|v_i - v_j|^2 / (2 sigma^2 d)), Kc = H K H, R = Kc (Kc + epsilon m I)^-1,
    nHSIC(U, V) = tr(R_U R_V); labels are one-hot rows (d = C) under the same kernel.

Run: python generate.py   (needs torch, numpy, mpmath; writes beside itself; about ten seconds)
The numbers are the shortest text that reads back to the same float64 (at most 17 digits).
"""

import json
import platform
from pathlib import Path

import mpmath
import numpy as np
import torch

SEED = 20200208
DIGITS = 50
HERE = Path(__file__).resolve().parent

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def tensor(array):
    """A matrix or vector as the tests read it: shape, and values row by row."""
    array = np.asarray(array)
    return {"shape": list(array.shape), "values": array.ravel().tolist()}


def write(name, content):
    """One line a case, so that a changed case shows in a diff."""
    cases = content.pop("cases")
    head = json.dumps(content, separators=(",", ":"))
    lines = ",\n".join(json.dumps(case, separators=(",", ":"), allow_nan=False) for case in cases)
    path = HERE / name
    path.write_text(f'{head[:-1]},"cases":[\n{lines}\n]}}\n')
    print(f"{name}: {len(cases)} cases, {path.stat().st_size / 1024:.0f} KiB")


def origin():
    return {
        "seed": SEED,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__.split("+")[0],
            "numpy": np.__version__,
            "mpmath": mpmath.__version__,
        },
    }


# ---- the objective, float64 by autograd -------------------------------------------------------


def normalized_gram(v, sigma, epsilon):
    m, d = v.shape
    distance = (v[:, None, :] - v[None, :, :]).square().sum(2)
    k = torch.exp(-distance / (2 * sigma**2 * d))
    h = torch.eye(m) - 1 / m
    kc = h @ k @ h
    factor = torch.linalg.cholesky(kc + epsilon * m * torch.eye(m))
    return torch.cholesky_solve(kc, factor)


def objective_autograd(case):
    z = torch.from_numpy(case["z"]).requires_grad_()
    y = torch.nn.functional.one_hot(torch.from_numpy(case["labels"]), case["classes"]).double()
    r_x = normalized_gram(torch.from_numpy(case["x"]), case["sigma"], case["epsilon"])
    r_y = normalized_gram(y, case["sigma_labels"], case["epsilon"])
    r_z = normalized_gram(z, case["sigma"], case["epsilon"])
    x_term, y_term = (r_z * r_x.T).sum(), (r_z * r_y.T).sum()
    (case["x_weight"] * x_term - case["beta"] * y_term).backward()
    return x_term.item(), y_term.item(), r_y.trace().item(), z.grad.numpy()


# ---- the same with 50 digits, by the closed form ----------------------------------------------


def exact_parts(v, sigma, epsilon):
    """K, T = (Kc + c I)^-1 and R = I - c T for rows of exact numbers."""
    m, d = len(v), len(v[0])
    k = mpmath.matrix(m, m)
    scale = 2 * mpmath.mpf(sigma) ** 2 * d
    for i in range(m):
        for j in range(i + 1):
            k[i, j] = k[j, i] = mpmath.exp(-sum((a - b) ** 2 for a, b in zip(v[i], v[j])) / scale)
    mean = [mpmath.fsum(k[i, j] for j in range(m)) / m for i in range(m)]
    total = mpmath.fsum(mean) / m
    c = mpmath.mpf(epsilon) * m
    a = mpmath.matrix(m, m)
    for i in range(m):
        for j in range(m):
            a[i, j] = k[i, j] - mean[i] - mean[j] + total + (c if i == j else 0)
    t = a**-1
    return k, t, mpmath.eye(m) - c * t, c


def objective_exact(case):
    z, x = ([[mpmath.mpf(float(e)) for e in row] for row in case[n]] for n in ("z", "x"))
    y = [[mpmath.mpf(int(c == label)) for c in range(case["classes"])] for label in case["labels"]]
    m, d = len(z), len(z[0])
    _, _, r_x, _ = exact_parts(x, case["sigma"], case["epsilon"])
    _, _, r_y, _ = exact_parts(y, case["sigma_labels"], case["epsilon"])
    k, t, r_z, c = exact_parts(z, case["sigma"], case["epsilon"])
    inner = lambda a, b: mpmath.fsum(a[i, j] * b[j, i] for i in range(m) for j in range(m))
    mix = mpmath.mpf(case["x_weight"]) * r_x - mpmath.mpf(case["beta"]) * r_y
    g = c * (t * mix * t)
    gradient = np.empty((m, d))
    factor = -2 / (mpmath.mpf(case["sigma"]) ** 2 * d)
    for i in range(m):
        w = [g[i, j] * k[i, j] for j in range(m)]
        for q in range(d):
            gradient[i, q] = factor * mpmath.fsum(w[j] * (z[i][q] - z[j][q]) for j in range(m))
    trace = mpmath.fsum(r_y[i, i] for i in range(m))
    return float(inner(r_z, r_x)), float(inner(r_z, r_y)), float(trace), gradient


def labels_unbalanced(rng, m, classes):
    """Every class present, low numbers the most frequent."""
    weight = 1.0 / (1.0 + np.arange(classes))
    rest = rng.choice(classes, m - classes, p=weight / weight.sum())
    return rng.permutation(np.concatenate([np.arange(classes), rest]))


def objective_inputs(rng):
    """Named cases; numbers have few decimals so that the file stays small. The text is exact."""
    six = {
        "name": "six points, sigma 1",
        "x": np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.25], [0.25, 0.75]]),
        "z": np.array([[0.1], [0.9], [0.2], [1.1], [0.6], [0.3]]),
        "labels": np.array([0, 1, 0, 1, 1, 0]),
        "classes": 2,
        "sigma": 1.0,
        "sigma_labels": 1.0,
        "epsilon": 1e-5,
        "beta": 500.0,
        "x_weight": 1.0,
    }
    yield six
    yield six | {"name": "six points, sigma 5", "sigma": 5.0, "sigma_labels": 5.0}
    #    name, m, d, input, C, sigma, sigma_labels, epsilon, beta, x_weight, kind of Z
    table = [
        ("two classes, mild ridge", 24, 5, 7, 2, 1.0, 1.0, 1e-2, 1.0, 1.0, "tanh"),
        ("two classes, paper's ridge", 24, 5, 7, 2, 1.0, 1.0, 1e-5, 100.0, 1.0, "tanh"),
        ("three classes, sigma 2", 24, 12, 9, 3, 2.0, 2.0, 1e-2, 100.0, 1.0, "linear"),
        ("three classes, sigma 5, paper's ridge", 24, 5, 9, 3, 5.0, 5.0, 1e-5, 500.0, 1.0, "linear"),
        ("three classes, sigma 2, paper's ridge", 23, 5, 8, 3, 2.0, 2.0, 1e-5, 1.0, 1.0, "linear"),
        ("zero rows, mild ridge", 24, 5, 8, 3, 2.0, 2.0, 1e-2, 100.0, 1.0, "relu"),
        ("zero rows, paper's ridge", 24, 5, 8, 3, 5.0, 5.0, 1e-5, 500.0, 1.0, "relu"),
        ("ten classes, sigma 5, paper's ridge", 40, 12, 20, 10, 5.0, 5.0, 1e-5, 500.0, 1.0, "tanh"),
        ("ten classes, sigma 2, mild ridge", 40, 12, 15, 10, 2.0, 2.0, 1e-2, 100.0, 1.0, "linear"),
        ("ten classes, zero rows, sigma 1", 40, 5, 12, 10, 1.0, 1.0, 1e-2, 1.0, 1.0, "relu"),
        ("labels with their own sigma", 40, 5, 10, 10, 5.0, 1.0, 1e-5, 100.0, 1.0, "tanh"),
        ("half the weight on the input", 24, 5, 8, 3, 2.0, 5.0, 1e-2, 1.0, 0.5, "tanh"),
        ("labels alone", 24, 5, 7, 2, 5.0, 5.0, 1e-5, 1.0, 0.0, "linear"),
        ("seven rows, mild ridge", 7, 5, 7, 3, 2.0, 2.0, 1e-2, 1.0, 1.0, "linear"),
        ("seven rows, paper's ridge", 7, 12, 20, 2, 5.0, 5.0, 1e-5, 500.0, 1.0, "relu"),
    ]
    for name, m, d, width, classes, sigma, sigma_labels, epsilon, beta, x_weight, kind in table:
        labels = labels_unbalanced(rng, m, classes)
        centers = rng.random((classes, width))
        x = np.clip(centers[labels] + 0.3 * rng.standard_normal((m, width)), 0, 1)
        z = (x - 0.5) @ rng.standard_normal((width, d)) / np.sqrt(width) * 3
        if kind == "tanh":
            z = np.tanh(z)
        if kind == "relu":
            z = np.maximum(z, 0)
            z[:: max(2, m // 5)] = 0
            assert (np.abs(z).sum(1) == 0).sum() >= 3
        yield {
            "name": name,
            "x": x.round(4),
            "z": z.round(5),
            "labels": labels,
            "classes": classes,
            "sigma": sigma,
            "sigma_labels": sigma_labels,
            "epsilon": epsilon,
            "beta": beta,
            "x_weight": x_weight,
        }


# The six points' values as they were derived before, by other code (40 digits).
SIX_POINTS = {
    "six points, sigma 1": (3.0551067510, 0.9397110494, 0.9999491727, 0.8890020227, 199.7444334448),
    "six points, sigma 5": (1.2414396520, 0.8508848984, 0.9989909858, -134.8222538618, 273.3776270296),
}


def objective():
    cases = []
    for case in objective_inputs(np.random.default_rng(SEED)):
        x_term, y_term, trace, gradient = objective_autograd(case)
        exact = objective_exact(case)
        if case["name"] in SIX_POINTS:
            found = (*exact[:3], exact[3][0, 0], exact[3][-1, 0])
            assert np.allclose(found, SIX_POINTS[case["name"]], rtol=0, atol=5.1e-11), found
        largest = np.abs(exact[3]).max()
        error = np.abs(gradient - exact[3]).max() / largest
        assert error < 1e-4, (case["name"], error)
        print(
            f"{case['name']:40s} nHSIC(Z,X) {exact[0]:.6f} (error {abs(x_term - exact[0]):.0e}) "
            f"nHSIC(Z,Y) {exact[1]:.6f} ({abs(y_term - exact[1]):.0e}) "
            f"largest |dL/dZ| {largest:.3e}, autograd's relative error {error:.0e}"
        )
        cases.append(
            {key: value for key, value in case.items() if key not in ("x", "z", "labels")}
            | {
                "labels": case["labels"].tolist(),
                "x": tensor(case["x"]),
                "z": tensor(case["z"]),
                "x_term": x_term,
                "y_term": y_term,
                "trace_r_y": trace,
                "gradient": tensor(gradient),
                "x_term_exact": exact[0],
                "y_term_exact": exact[1],
                "trace_r_y_exact": exact[2],
                "gradient_exact": tensor(exact[3]),
                "autograd_error": error,
            }
        )
    write("objective.json", origin() | {"digits_of_exact": DIGITS, "cases": cases})


# ---- estimators -------------------------------------------------------------------------------


def gram(v, kernel, sigma):
    m, d = v.shape
    k = np.empty((m, m))
    for i in range(m):
        difference = v - v[i]
        if kernel == "gaussian":
            k[i] = np.exp(-np.square(difference).sum(1) / (2 * sigma**2 * d))
        elif kernel == "laplacian":
            k[i] = np.exp(-np.abs(difference).sum(1) / (sigma * d))
        else:
            k[i] = v @ v[i]
    return k


def center(k):
    h = np.eye(len(k)) - 1 / len(k)
    return h @ k @ h


def unbiased(k, l):
    """Song et al. 2012, equation 4."""
    m = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    total = np.trace(k @ l) + k.sum() * l.sum() / ((m - 1) * (m - 2)) - 2 * (k @ l).sum() / (m - 2)
    return total / (m * (m - 3))


def unbiased_exact(k, l):
    """The same as an average over distinct indices, each sum taken exactly: the U-statistic."""
    m = len(k)
    k, l = ([[mpmath.mpf(float(e)) for e in row] for row in a] for a in (k, l))
    for i in range(m):
        k[i][i] = l[i][i] = mpmath.mpf(0)
    pairs = mpmath.fsum(k[i][j] * l[i][j] for i in range(m) for j in range(m))
    rows_k, rows_l = [mpmath.fsum(r) for r in k], [mpmath.fsum(r) for r in l]
    triples = mpmath.fsum(a * b for a, b in zip(rows_k, rows_l)) - pairs
    quadruples = mpmath.fsum(rows_k) * mpmath.fsum(rows_l) - 4 * triples - 2 * pairs
    falling = lambda n: mpmath.ff(m, n)
    return pairs / falling(2) + quadruples / falling(4) - 2 * triples / falling(3)


def nhsic(k, l, epsilon):
    m = len(k)
    solve = lambda a: np.linalg.solve(center(a) + epsilon * m * np.eye(m), center(a))
    return np.trace(solve(k) @ solve(l))


def estimators():
    rng = np.random.default_rng(SEED + 1)
    m = 30
    x = rng.standard_normal((m, 3)).round(6)
    noise = rng.standard_normal((m, 2))
    samples = [
        ("independent", x, noise),
        ("linear", x, x @ np.array([[1.0, 0.2], [-0.5, 0.8], [0.3, 0.1]]) + 0.5 * noise),
        ("nonlinear", x, np.column_stack([x[:, 0] ** 2, np.sin(2 * x[:, 1])]) + 0.3 * noise),
    ]
    cases = []
    for name, u, v in samples:
        v = v.round(6)
        values = {}
        for kernel in ("gaussian", "linear", "laplacian"):
            k, l = gram(u, kernel, 1.0), gram(v, kernel, 1.0)
            trace = np.trace(center(k) @ center(l))
            entry = {
                "hsic_biased": trace / m**2,
                "hsic_biased_m1": trace / (m - 1) ** 2,
                "hsic_unbiased": unbiased(k, l),
                "nhsic_epsilon_1e-5": nhsic(k, l, 1e-5),
                "nhsic_epsilon_1e-2": nhsic(k, l, 1e-2),
                "cka": trace / np.sqrt(np.trace(center(k) @ center(k)) * np.trace(center(l) @ center(l))),
                "cka_debiased": unbiased(k, l) / np.sqrt(unbiased(k, k) * unbiased(l, l)),
            }
            exact = float(unbiased_exact(k, l))
            assert abs(exact - entry["hsic_unbiased"]) < 1e-13 * np.abs(k * l).max(), (name, kernel)
            if kernel == "gaussian":
                check_nhsic_exact(u, v, entry)
            if kernel == "linear":
                h = np.eye(m) - 1 / m
                assert np.isclose(entry["hsic_biased"], np.square(u.T @ h @ v / m).sum(), rtol=1e-12)
            print(f"{name:12s} {kernel:10s}", " ".join(f"{n} {e:.6g}" for n, e in entry.items()))
            values[kernel] = {n: float(e) for n, e in entry.items()}
        cases.append({"name": name, "sigma": 1.0, "x": tensor(u), "y": tensor(v)} | values)
    write("estimators.json", origin() | {"cases": cases})


def check_nhsic_exact(u, v, entry):
    """nHSIC, biased HSIC and CKA of one sample again with 50 digits."""
    m = len(u)
    rows = [[[mpmath.mpf(float(e)) for e in row] for row in a] for a in (u, v)]
    for epsilon in (1e-5, 1e-2):
        (_, tu, ru, c), (_, tv, rv, _) = (exact_parts(a, 1, epsilon) for a in rows)
        inner = lambda a, b: mpmath.fsum(a[i, j] * b[j, i] for i in range(m) for j in range(m))
        found = entry["nhsic_epsilon_1e-5" if epsilon == 1e-5 else "nhsic_epsilon_1e-2"]
        assert abs(float(inner(ru, rv)) / found - 1) < 1e-10
    ku, kv = tu**-1 - c * mpmath.eye(m), tv**-1 - c * mpmath.eye(m)
    assert abs(float(inner(ku, kv)) / m**2 / entry["hsic_biased"] - 1) < 1e-12
    cka = inner(ku, kv) / mpmath.sqrt(inner(ku, ku) * inner(kv, kv))
    assert abs(float(cka) / entry["cka"] - 1) < 1e-12


if __name__ == "__main__":
    mpmath.mp.dps = DIGITS
    objective()
    estimators()
