"""The objective for arrays: value and gradient."""

import warnings

import numpy as np
import pytest

import hsic


def sample(rows, columns, classes, seed=0):
    draw = np.random.default_rng(seed)
    y = np.arange(rows) % classes
    x = draw.uniform(size=(rows, 7))
    return draw.normal(size=(rows, columns)) + y[:, None], y, x


def by_definition(z, y, x, *, classes, sigma, sigma_labels, beta, epsilon, x_weight=1.0):
    """x_weight nHSIC(z, x) - beta nHSIC(z, y) from dense matrices (Ma, Lewis and Kleijn 2020)."""
    rows = len(z)
    center = np.eye(rows) - 1 / rows

    def normalized(v, width):
        squares = ((v[:, None, :] - v[None, :, :]) ** 2).sum(-1)
        k = center @ np.exp(-squares / (2 * width**2 * v.shape[1])) @ center
        return k @ np.linalg.inv(k + epsilon * rows * np.eye(rows))

    targets = np.eye(classes)[y] if y.dtype.kind == "i" else y.reshape(rows, -1)
    of_z = normalized(z.reshape(rows, -1), sigma)
    at_x = np.trace(of_z @ normalized(x, sigma)) if x is not None else 0.0
    return x_weight * at_x - beta * np.trace(of_z @ normalized(targets, sigma_labels))


OPTIONS = {"sigma": 1.5, "sigma_labels": 0.8, "beta": 3.0, "epsilon": 1e-2}


@pytest.mark.parametrize("with_x", [True, False])
@pytest.mark.parametrize("numbers", [True, False])
def test_loss_and_gradient_are_those_of_the_definition(with_x, numbers):
    z, y, x = sample(30, 4, 3)
    y = np.sin(3.0 * z[:, :2]) if numbers else y
    x = x if with_x else None
    classes = None if numbers else 3
    loss, gradient = hsic.local_loss_and_gradient(z, y, x, classes=classes, **OPTIONS)
    assert loss == pytest.approx(by_definition(z, y, x, classes=3, **OPTIONS), rel=1e-9)
    direction = np.random.default_rng(1).normal(size=z.shape)
    h = 1e-4
    at = lambda step: by_definition(z + step * direction, y, x, classes=3, **OPTIONS)
    slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    # Fourth order: truncation h^4 = 1e-16, cancellation 1e-15 / h.
    assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-7)
    assert gradient.shape == z.shape and gradient.dtype == np.float64


def test_single_precision_is_right_to_its_rounding():
    z, y, x = sample(256, 64, 10)
    double = hsic.local_loss_and_gradient(z, y, x, classes=10)[1]
    single = hsic.local_loss_and_gradient(z.astype(np.float32), y, x, classes=10)[1]
    assert single.dtype == np.float32
    # The bound, at the usual epsilon of 1e-5.
    assert np.abs(single - double).max() < 2e-4 * np.abs(double).max()


def test_a_batch_serves_many_blocks_of_any_shape_and_layout():
    z, y, x = sample(40, 24, 2)
    batch = hsic.Batch(y, x.reshape(40, 7, 1), classes=2, **OPTIONS)
    wanted = hsic.local_loss_and_gradient(z, y, x, classes=2, **OPTIONS)
    for form in (z, np.asfortranarray(z), z.reshape(40, 2, 3, 4)):
        loss, gradient = hsic.local_loss_and_gradient(form, batch=batch)
        assert loss == wanted[0] and gradient.shape == form.shape
        assert np.array_equal(gradient.reshape(40, 24), wanted[1])
    assert len(batch) == 40
    terms, _ = batch.evaluate(z)
    assert terms.loss == terms.x - 3.0 * terms.y and not terms.dead
    # x_weight leaves the input out as its absence does.
    weightless = hsic.local_loss_and_gradient(z, y, x, classes=2, x_weight=0.0, **OPTIONS)
    without = hsic.local_loss_and_gradient(z, y, classes=2, **OPTIONS)
    assert weightless[0] == without[0] and np.array_equal(weightless[1], without[1])


def test_labels_of_any_whole_type_are_the_same():
    z, y, x = sample(20, 3, 2)
    wanted = hsic.local_loss_and_gradient(z, y)[0]
    for form in (y.tolist(), y.astype(np.uint8), y.astype(bool), y[:, None], y.astype(np.int32)):
        assert hsic.local_loss_and_gradient(z, form)[0] == wanted
    # One more class than there are labels widens their kernel.
    assert hsic.local_loss_and_gradient(z, y, classes=3)[0] != wanted


def test_what_cannot_be_learned_from_is_told():
    z, y, x = sample(20, 3, 2)
    with pytest.warns(hsic.HsicWarning, match="the block is dead"):
        loss, gradient = hsic.local_loss_and_gradient(np.ones((20, 3)), y)
    assert loss == 0 and not gradient.any()
    with pytest.warns(hsic.HsicWarning, match="y has all but vanished"):
        hsic.local_loss_and_gradient(z, np.full(20, 0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hsic.local_loss_and_gradient(z, y, x)


FAULTS = [
    (lambda z, y, x: hsic.local_loss_and_gradient(z), TypeError, "y is missing"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y, classes=1), ValueError, "labels[1] = 1: expected a class below 1"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y - 1), ValueError, "y[0] = -1: expected a class, 0 to 0"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y[:-1]), ValueError, "z has 20 rows and the batch has 19"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y, x[:-1]), ValueError, "x has 19 rows and labels has 20"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y * 1.0, x[:-1]), ValueError, "x has 19 rows and y has 20"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z * np.nan, y), ValueError, "z[0, 0] is not a finite number"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y, x / 0.0), ValueError, "x[0, 0] is not a finite number"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y * np.inf), ValueError, "y[0, 0] is not a finite number"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y, sigma=0), ValueError, "sigma = 0: expected a finite number > 0"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y, beta=-1), ValueError, "beta = -1: expected a finite number >= 0"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y * 1.0, classes=2), ValueError, "classes = 2: expected not given where y holds floats"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, np.stack([y, y], 1)), ValueError, "y has 2 columns of whole numbers"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, ["a"] * 20), TypeError, "y is of type <U1"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, y, batch=hsic.Batch(y)), TypeError, "y beside a batch"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z, sigma=2, batch=hsic.Batch(y)), TypeError, "sigma beside a batch"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z[:1], y[:1]), ValueError, "labels has 1 rows: expected at least 2"),
    (lambda z, y, x: hsic.local_loss_and_gradient(z[:, :0], y), ValueError, "z has no columns"),
    (lambda z, y, x: hsic.local_loss_and_gradient(3.0, y), ValueError, "z is a single number"),
    (lambda z, y, x: hsic.local_loss_and_gradient(np.array([["a"]] * 20), y), TypeError, "z is of type <U1"),
]


@pytest.mark.parametrize(("call", "kind", "words"), FAULTS, ids=range(len(FAULTS)))
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_faults_name_argument_value_and_remedy(call, kind, words):
    with pytest.raises(kind) as raised:
        call(*sample(20, 3, 2))
    assert words in str(raised.value)
