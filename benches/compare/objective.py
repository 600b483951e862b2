"""The HSIC-bottleneck objective of one block, in PyTorch: autograd's form, the authors' form, the closed form.

Each takes m x d features; sigma is in units of the root of d.
"""

import math

import torch

from networks import CLASSES, one_hot

SIGMA = 5.0
BETA = 500.0
EPSILON = 1e-5


# ---- the authors' -----------------------------------------------------------------------------


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


# ---- through autograd -------------------------------------------------------------------------


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


def normalized(v):
    """R = I - c T, T = (Kc + c I)^-1."""
    a, c = ridge_system(v)
    t = torch.cholesky_inverse(torch.linalg.cholesky(a))
    return torch.eye(len(v), dtype=v.dtype) - c * t


# ---- the closed form --------------------------------------------------------------------------


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


def factor_of_centered(e):
    """The Cholesky factor of H E H + c I; the row means are taken by columns (E is symmetric)."""
    m = len(e)
    rows = e.mean(0)
    a = (e - rows[:, None]).sub_((rows - rows.mean())[None, :])
    a.diagonal().add_(EPSILON * m)
    factor, _ = torch.linalg.cholesky_ex(a)
    return factor


def inverse_of_centered(e):
    """T = (H E H + c I)^-1."""
    return torch.cholesky_inverse(factor_of_centered(e))


def label_factors(labels, dtype):
    """B and S of R_Y = B S': B = sqrt(1 - a) H Y, S = B (c I + B'B)^-1, a the kernel of two classes: no inverse but C x C."""
    c = EPSILON * len(labels)
    y = one_hot(labels, dtype)
    b = math.sqrt(-math.expm1(-1 / (SIGMA**2 * CLASSES))) * (y - y.mean(0))
    system = b.T @ b
    system.diagonal().add_(c)
    return b, torch.linalg.solve(system, b.T).T


def mix(x, labels):
    """M = R_X - beta R_Y."""
    result = inverse_of_centered(kernel_minus_one(x)).mul_(-EPSILON * len(x))
    result.diagonal().add_(1)
    b, s = label_factors(labels, x.dtype)
    return result.addmm_(s, b.T, alpha=-BETA)


def signal(z, mix):
    """dL/dZ = -(2 / (sigma^2 d)) (diag(W 1) - W) Z, W = (c H T M T H) o K.

    T M T is centered already, but its rounding is not: without H the error in float32 is 30 to
    1000 times larger."""
    e = kernel_minus_one(z)
    t = inverse_of_centered(e)
    return laplacian_product(z, e, t @ mix @ t)


def signal_without_x(z, factors):
    """`signal` at M = -beta R_Y: T B and T S, of C columns each, in place of T."""
    b, s = factors
    e = kernel_minus_one(z)
    tb, ts = torch.cholesky_solve(torch.cat((b, s), 1), factor_of_centered(e)).split(b.shape[1], 1)
    return laplacian_product(z, e, (ts @ tb.T).mul_(-BETA))


def laplacian_product(z, e, g):
    """The end of both: from G / c, which is overwritten, and E to dL/dZ."""
    m, d = z.shape
    rows = g.mean(0)
    g.sub_(rows[:, None]).sub_((rows - rows.mean())[None, :])
    w = torch.addcmul(g, g, e)
    factor = 2 * EPSILON * m / (SIGMA**2 * d)
    return torch.addmm(w.sum(0)[:, None] * z, w, z, beta=-factor, alpha=factor)


def stacked_signals(z, mix, scale):
    """`signal` of n blocks at once: z is n x m x d."""
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
