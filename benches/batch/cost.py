"""Counted operations of a training step, and the exponents that they and measured times have.

Multiplications and additions count one each. A network of dense blocks with widths D_0 (input), D_1, ..., D_L; batch m.
Every form: forward and weight gradient, 4 m D_{l-1} D_l a block. To that the objective adds what `hsic::approximation`
says of a block with d = D_l columns, and once a step the operator of the input with p = D_0 columns.
"""

import math

EXACT = "exact"


def parse(form):
    """'nystroem:128' -> ('nystroem', 128); 'exact' -> ('exact', 0)."""
    name, _, number = form.partition(":")
    return name, int(number or 0)


def objective(form, m, d, with_x):
    """Operations of the objective of one block."""
    name, r = parse(form)
    if name == EXACT:
        return (2.7 if with_x else 1.3) * m**3 + 3 * m**2 * d
    if name == "blocks":
        b = min(r, m)
        return m / b * objective(EXACT, b, d, with_x)
    r = min(r, m) if name == "nystroem" else r
    of_features = 6 * m * r * d if name == "nystroem" else 2 * m * r * d
    solves = 2 * r**3
    # The r^2 of the features of landmarks (C N') and of the Gram matrix; with X three products of m x r x r.
    of_gram = (3 if name == "nystroem" else 1) * m * r**2
    return of_features + of_gram + solves + (6 * m * r**2 if with_x else 0)


def operator(form, m, p):
    """Operations of the input's part, once a step."""
    name, r = parse(form)
    if name == EXACT:
        return p * m**2 + 5 / 3 * m**3
    if name == "blocks":
        b = min(r, m)
        return m / b * operator(EXACT, b, p)
    if name == "nystroem":
        return 2 * p * m * min(r, m) + 4 * m * min(r, m) ** 2
    return p * m * r + 2 * m * r**2


def step(form, m, widths, with_x=True):
    """Operations of a whole step."""
    total = operator(form, m, widths[0]) if with_x else 0
    for before, d in zip(widths, widths[1:]):
        total += 4 * m * before * d + objective(form, m, d, with_x)
    return total


def plain_step(m, widths):
    """The exact step without symmetry: distances and Laplacian 4 m^2 D, factor, inverse, two products 5 m^3 a block."""
    return sum(4 * m * before * d + 4 * m**2 * d + 5 * m**3 for before, d in zip(widths, widths[1:]))


def exponent(points):
    """Slope of log value against log m over the upper half of the batch sizes, by least squares."""
    points = sorted(points)
    points = points[len(points) // 2 :] if len(points) > 3 else points
    if len(points) < 2:
        return None
    x = [math.log(m) for m, _ in points]
    y = [math.log(value) for _, value in points]
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    return sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y)) / sum((a - x_mean) ** 2 for a in x)
