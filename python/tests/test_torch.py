"""The objective in PyTorch: through the engine, in operations of PyTorch, and as a trainer."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

import hsic  # noqa: E402
import hsic.torch  # noqa: E402
from hsic import _assignment  # noqa: E402
from hsic._torch_operator import Operator  # noqa: E402
from hsic.torch import Batch, LocalTrainer, blocks_of, local_loss  # noqa: E402


def sample(rows, columns, classes, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(rows) % classes
    x = torch.rand(rows, 7, generator=generator, dtype=dtype)
    z = torch.randn(rows, columns, generator=generator, dtype=dtype) + y[:, None]
    return z, y, x


def by_autograd(z, y, x, *, classes, sigma, sigma_labels, beta, epsilon, x_weight=1.0):
    """The loss as anybody would write it, for autograd."""
    rows = len(z)
    center = torch.eye(rows, dtype=z.dtype) - 1 / rows

    def normalized(v, width):
        products = v @ v.T
        squares = products.diagonal()
        k = torch.exp(-(squares[:, None] + squares - 2 * products).clamp_min(0) / (2 * width**2 * v.shape[1]))
        k = center @ k @ center
        return torch.linalg.solve(k + epsilon * rows * torch.eye(rows, dtype=z.dtype), k)

    targets = y if y.dtype.is_floating_point else nn.functional.one_hot(y, classes).to(z.dtype)
    of_z = normalized(z.flatten(1), sigma)
    loss = -beta * (of_z * normalized(targets.reshape(rows, -1), sigma_labels).T).sum()
    return loss if x is None else loss + x_weight * (of_z * normalized(x, sigma).T).sum()


OPTIONS = {"sigma": 1.5, "sigma_labels": 0.8, "beta": 3.0, "epsilon": 1e-2, "x_weight": 1.0}


@pytest.mark.parametrize("with_x", [True, False])
@pytest.mark.parametrize("numbers", [True, False])
def test_engine_and_device_operations_agree_with_autograd(with_x, numbers):
    z, y, x = sample(60, 8, 4)
    y = torch.sin(2 * z[:, :2]) if numbers else y
    x, classes = x if with_x else None, None if numbers else 4
    z.requires_grad_()
    wanted = by_autograd(z, y, x, **{**OPTIONS, "classes": 4})
    (gradient,) = torch.autograd.grad(wanted, z)
    loss = local_loss(z, y, x, classes=classes, **OPTIONS)
    (found,) = torch.autograd.grad(loss, z)
    # 1e-10 of the largest entry in double precision is the bound.
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-10)
    assert float((found - gradient).abs().max()) < 1e-10 * float(gradient.abs().max())
    terms, on_device = Operator(y, x, torch.float64, classes, OPTIONS).evaluate(z.detach())
    assert terms.loss == pytest.approx(wanted.item(), rel=1e-10)
    assert float((on_device - gradient).abs().max()) < 1e-10 * float(gradient.abs().max())
    assert terms[:3] == pytest.approx(Batch(y, x, classes=classes, **OPTIONS).evaluate(z)[0][:3], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("numbers", [True, False])
def test_single_precision_of_both_is_right_to_its_rounding(numbers):
    z, y, x = sample(256, 256, 10)
    y = torch.sin(2 * z[:, 0]) if numbers else y
    wanted = Batch(y, x, classes=None if numbers else 10).evaluate(z)[1]
    y, x, z = y.float() if numbers else y, x.float(), z.float()
    by_engine = Batch(y, x, classes=None if numbers else 10).evaluate(z)[1]
    usual = {"sigma": 5.0, "sigma_labels": 5.0, "beta": 500.0, "epsilon": 1e-5, "x_weight": 1.0}
    y = y[:, None] if numbers else y
    by_operations = Operator(y, x, torch.float32, None if numbers else 10, usual).evaluate(z)[1]
    for found in (by_engine, by_operations):
        assert found.dtype == torch.float32
        # The bound, at the usual epsilon of 1e-5.
        assert float((found - wanted).abs().max()) < 2e-4 * float(wanted.abs().max())


def test_gradcheck():
    z, y, x = sample(12, 3, 2)
    batch = Batch(y, x, classes=2, **OPTIONS)
    # The shape of samples is kept.
    images = z.reshape(12, 3, 1, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: local_loss(z, batch=batch), images)


def test_where_rounding_outgrows_the_ridge_operations_are_done_in_double():
    z, y, x = sample(120, 20, 3)
    options = {**OPTIONS, "epsilon": 1e-9}
    wanted = Batch(y, x, classes=3, **options).evaluate(z)[1]
    found = Operator(y, x, torch.float32, 3, options).evaluate(z.float())[1]
    # Eigenvalues spread over the ridge by 1e9 amplify single precision's rounding about ten-thousandfold.
    assert found.dtype == torch.float32 and float((found - wanted).abs().max()) < 1e-3 * float(wanted.abs().max())


def test_types_layouts_and_upstream_gradients():
    z, y, x = sample(40, 8, 2)
    wanted = hsic.local_loss_and_gradient(z.numpy(), y.numpy(), x.numpy(), classes=2)
    strided = torch.zeros(8, 80, dtype=torch.float64)[:, ::2].T
    strided.copy_(z)
    for form in (z.clone(), strided, z.reshape(40, 2, 4)):
        form = form.detach().requires_grad_()
        loss = local_loss(form, y, x, classes=2)
        (2.5 * loss).backward()
        assert float(loss.detach()) == wanted[0] and loss.dtype == torch.float64
        assert torch.equal(form.grad.reshape(40, 8), 2.5 * torch.from_numpy(wanted[1]))
    half = z.to(torch.bfloat16).requires_grad_()
    loss = local_loss(half, y, x, classes=2)
    loss.backward()
    assert loss.dtype == torch.float32 and half.grad.dtype == torch.bfloat16
    # Eight bits of every activation.
    assert float(loss.detach()) == pytest.approx(wanted[0], rel=0.02)
    with torch.no_grad():
        assert not local_loss(z, y).requires_grad


def test_faults_are_told_in_both():
    z, y, x = sample(20, 3, 2)
    with pytest.warns(hsic.HsicWarning, match="the block is dead"):
        assert float(local_loss(torch.ones(20, 3), y)) == 0
    assert Operator(y, x, torch.float64, 2, OPTIONS).evaluate(torch.ones(20, 3, dtype=torch.float64))[0].dead
    bad = z.clone()
    bad[4, 2] = float("nan")
    for call in (lambda: local_loss(bad, y, classes=2), lambda: Operator(y, None, torch.float64, 2, OPTIONS).evaluate(bad)):
        with pytest.raises(ValueError, match=r"z\[4, 2\] is not a finite number"):
            call()
    for call in (lambda: local_loss(z, y, classes=1), lambda: Operator(y, None, torch.float64, 1, OPTIONS)):
        with pytest.raises(ValueError, match=r"\[1\] = 1: expected a class below 1"):
            call()
    with pytest.raises(ValueError, match="beta = -1: expected a finite number >= 0"):
        Batch(y, beta=-1)
    with pytest.raises(TypeError, match="z is of type torch.int64"):
        local_loss(y[:, None], y)
    with pytest.raises(ValueError, match="z has 19 rows and the batch has 20"):
        Operator(y, None, torch.float64, 2, OPTIONS).evaluate(z[:19])


def test_statistics_take_tensors():
    z, y, x = sample(40, 3, 2)
    assert hsic.measure(z.requires_grad_(), x) == hsic.measure(z.detach().numpy(), x.numpy())
    assert hsic.measure(x.to(torch.bfloat16), x.to(torch.bfloat16)).rows == 40


def net(widths, seed=0):
    torch.manual_seed(seed)
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def test_blocks_begin_at_layers_with_weights():
    assert [len(block) for block in blocks_of(nn.Sequential(nn.Flatten(), *net([7, 5, 4, 3])))] == [4, 3, 3]
    nested = nn.Sequential(nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 5)), nn.Sequential(nn.Linear(5, 3)))
    assert [len(block) for block in blocks_of(nested)] == [3, 1]
    with pytest.raises(ValueError, match="block 0 of the model has nothing to train"):
        blocks_of(nn.Sequential(nn.ReLU()))
    with pytest.raises(ValueError, match="the model has no children"):
        blocks_of(nn.Sequential())


def test_no_gradient_passes_from_block_to_block():
    z, y, x = sample(60, 5, 3, dtype=torch.float32)
    model = net([7, 8, 6, 3])
    trainer = LocalTrainer(model, lambda p: torch.optim.SGD(p, lr=1e-3), sigma=2.0)
    before = [p.detach().clone() for p in model.parameters()]
    losses = trainer.step(x, y)
    # Each block's gradient is that of its own loss, of what the blocks before it gave out.
    fresh = net([7, 8, 6, 3])
    batch, h = Batch(y, x, classes=3, sigma=2.0), x
    for block, loss in zip(blocks_of(fresh), losses):
        z = block(h.detach())
        alone = local_loss(z, batch=batch)
        alone.backward()
        assert float(alone.detach()) == loss
        h = z
    for p, old, q in zip(model.parameters(), before, fresh.parameters()):
        assert torch.equal(p.grad, q.grad)
        # One rounding of the product, or two.
        assert torch.allclose(p.detach(), old - 1e-3 * q.grad, rtol=0, atol=1e-6)


def test_a_trainer_learns_and_finds_out_which_unit_is_which_class():
    generator = torch.Generator().manual_seed(1)
    y = torch.arange(600) % 3
    x = torch.randn(600, 6, generator=generator) + 2.0 * nn.functional.one_hot(y, 6)
    batches = [(x[i : i + 100], y[i : i + 100]) for i in range(0, 600, 100)] + [(x[:1], y[:1])]
    trainer = LocalTrainer(net([6, 32, 3]), lambda p: torch.optim.AdamW(p, lr=3e-3), sigma=2.0)
    with pytest.raises(RuntimeError, match="expected fit or assign before"):
        trainer.predict(x)
    history = trainer.fit(batches, epochs=8)
    assert len(history) == 8 and all(last < first for first, last in zip(history[0], history[-1]))
    assert sorted(trainer.class_of_unit) == [0, 1, 2] and trainer.classes == 3
    # Two deviations apart: the best rule has about 0.87 on three such classes.
    assert trainer.score(batches) > 0.8
    with pytest.raises(TypeError, match="loader is an iterator"):
        trainer.fit(iter(batches))
    with pytest.raises(ValueError, match="no batch of 2 rows"):
        trainer.fit(batches[-1:])


def test_a_trainer_fits_numbers():
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(2))
    y = torch.sin(x[:, 0]) * 1.4
    trainer = LocalTrainer(net([4, 32, 8]), lambda p: torch.optim.AdamW(p, lr=3e-3), sigma=1.0, x_weight=0.0)
    history = trainer.fit([(x[i : i + 100], y[i : i + 100]) for i in range(0, 300, 100)], epochs=5)
    assert all(last < first for first, last in zip(history[0], history[-1]))
    assert trainer.class_of_unit is None


def test_the_assignment_gets_most_samples_right():
    from itertools import permutations

    draw = np.random.default_rng(3)
    for classes, units in [(4, 4), (3, 5), (5, 3), (1, 1)]:
        counts = draw.integers(0, 50, size=(classes, units))
        found = _assignment.fit(counts)
        few, many = min(classes, units), max(classes, units)
        table = counts if classes <= units else counts.T
        best = max(sum(table[i, column] for i, column in enumerate(order)) for order in permutations(range(many), few))
        if classes >= units:
            assert len(set(found.tolist())) == units
            assert sum(counts[found[u], u] for u in range(units)) == best
        else:
            # Units that are left over stand for a class too, so that more may be right.
            assert set(found.tolist()) == set(range(classes))
            assert sum(counts[found[u], u] for u in range(units)) >= best
