"""Measures and tests: the numbers of the command, whatever the rows come in."""

import dataclasses

import numpy as np
import pytest

import hsic
from hsic._tables import table


def documented():
    """The tables of docs/statistics.md, whose numbers the command printed: awk writes six digits."""
    state = 1

    def draw():
        nonlocal state
        state = state * 16807 % 2147483647
        return state / 2147483647

    def rounded(value):
        return float(f"{value:.6g}")

    x, y, z = [], [], []
    for _ in range(300):
        a, b, e, u = 2 * draw() - 1, draw(), draw(), draw()
        x.append([rounded(a), rounded(b)])
        y.append(rounded(a * a + 0.2 * e))
        z.append(rounded(u))
    return np.array(x), np.array(y), np.array(z)


X, Y, Z = documented()


@pytest.mark.parametrize(
    ("options", "value", "widths"),
    [
        ({}, 0.6995683852941106, (5.0, 5.0)),
        ({"estimator": "cka", "kernel": "linear"}, 0.005200342951111365, (None, None)),
        ({"estimator": "cka", "sigma": "median"}, 0.2333060194316079, (0.7423925723862685, 0.274612)),
    ],
)
def test_measure_gives_the_command_s_numbers(options, value, widths):
    result = hsic.measure(X, Y, **options)
    # Sums over 300 x 300 entries in another order of vectors.
    assert float(result) == pytest.approx(value, rel=1e-10)
    assert (result.sigma_x, result.sigma_y) == pytest.approx(widths, rel=1e-12) if widths[0] else widths == (None, None)
    assert (result.rows, result.estimator) == (300, options.get("estimator", "nhsic"))


def test_test_gives_the_command_s_numbers():
    dependent = hsic.test(X, Y, permutations=1000, random_state=1)
    assert dependent.statistic == pytest.approx(0.018251939875671433, rel=1e-10)
    assert dependent.p_value == 1 / 1001
    free = hsic.test(X, Z, permutations=1000, random_state=1)
    assert free.statistic == pytest.approx(0.0006056266346534243, rel=1e-10)
    # The command prints two digits.
    assert f"{free.p_value:.2g}" == "0.39"
    gamma = hsic.test(X, Z, method="gamma")
    assert gamma.p_value == pytest.approx(0.43272359332961463, rel=1e-9)
    assert (gamma.statistic, gamma.permutations, gamma.rows) == (free.statistic, None, 300)


def test_the_number_of_threads_changes_no_bit_and_the_seed_does():
    one = hsic.test(X, Z, permutations=199, random_state=3, n_jobs=1)
    assert all(hsic.test(X, Z, permutations=199, random_state=3, n_jobs=n) == one for n in (2, 3, -1, None))
    assert hsic.measure(X, Z, n_jobs=1) == hsic.measure(X, Z, n_jobs=3)
    p_values = {hsic.test(X, Z, permutations=199, random_state=seed).p_value for seed in range(8)}
    assert len(p_values) > 3
    assert hsic.test(X, Z, permutations=199) == hsic.test(X, Z, permutations=199, random_state=0)


def test_a_generator_gives_a_seed_of_its_own():
    seed = int(np.random.default_rng(5).integers(0, 2**64, dtype=np.uint64))
    by_generator = hsic.test(X, Z, permutations=99, random_state=np.random.default_rng(5))
    assert by_generator == hsic.test(X, Z, permutations=99, random_state=seed)
    state = hsic.test(X, Z, permutations=99, random_state=np.random.RandomState(5))
    assert state == hsic.test(X, Z, permutations=99, random_state=np.random.RandomState(5))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_contiguous_floats_are_not_copied(order, dtype):
    x = np.asarray(X, dtype=dtype, order=order)
    assert np.shares_memory(table("x", x).values, x)
    assert np.shares_memory(table("x", x[:, 0].copy()).values, x) is False
    column = Y.astype(dtype)
    assert np.shares_memory(table("y", column).values, column)


def test_every_form_of_the_same_rows_gives_the_same_number():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    wanted = hsic.test(X, Y, permutations=99)
    wide = np.zeros((600, 5))
    wide[::2, 1:3] = X
    readonly = X.copy()
    readonly.flags.writeable = False
    forms = [
        X.tolist(), np.asfortranarray(X), wide[::2, 1:3], X[::-1][::-1], X.astype(">f8"), readonly, X.astype(object),
        pandas.DataFrame(X, columns=["a", "b"]), pandas.DataFrame({"a": X[:, 0], "b": X[:, 1]}),
        pandas.DataFrame(X, columns=["a", "a"]), pandas.DataFrame(X).convert_dtypes(), polars.DataFrame(X),
    ]
    for form in forms:
        assert hsic.test(form, Y, permutations=99) == wanted, type(form)
    for form in (Y.tolist(), Y[:, None], pandas.Series(Y), polars.Series(Y), memoryview(Y)):
        assert hsic.test(X, form, permutations=99) == wanted, type(form)
    frame = pandas.DataFrame(np.asfortranarray(X))
    assert np.shares_memory(table("x", frame).values, frame.to_numpy())
    # Single precision: both tables, or one of them, which is then brought to double.
    single = hsic.test(X.astype(np.float32), Y.astype(np.float32), permutations=99)
    assert single.statistic == pytest.approx(wanted.statistic, rel=1e-5) and single.statistic != wanted.statistic
    assert hsic.test(X.astype(np.float32), Y, permutations=99).statistic == pytest.approx(wanted.statistic, rel=1e-5)
    assert hsic.measure([1, 2, 3, 5], [True, False, True, True]).rows == 4


def test_words_are_compared_by_equality():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    color = [["red", "green", "blue"][i % 3] for i in range(90)]
    grade = ["high" if i % 3 == 0 or i % 7 == 0 else "low" for i in range(90)]
    result = hsic.measure(color, grade, estimator="hsic-biased")
    # The sum over all pairs of words of (share of the pair - product of the shares)^2.
    share = lambda *conditions: np.mean(np.logical_and.reduce(conditions))
    color_array, grade_array = np.array(color), np.array(grade)
    expected = sum(
        (share(color_array == a, grade_array == b) - share(color_array == a) * share(grade_array == b)) ** 2
        for a in set(color) for b in set(grade)
    )
    assert result.value == pytest.approx(expected, rel=1e-12)
    assert (result.kernel_x, result.kernel_y, result.sigma_x) == ("delta", "delta", None)
    for form in (color_array, pandas.Series(color), pandas.Series(color, dtype="category"), pandas.DataFrame({"c": color}),
                 polars.Series(color), polars.Series(color, dtype=polars.Categorical), color_array.astype("S")):
        assert hsic.measure(form, grade, estimator="hsic-biased") == result, type(form)
    # Numbers that stand for categories; the largest of them are equal as float64.
    ids = np.array([2**60, 2**60 + 1, 5, 2**60] * 10)
    by_id = hsic.measure(ids, ids, kernel="delta", estimator="hsic-biased")
    assert by_id == dataclasses.replace(by_id, value=hsic.measure(ids % 7, ids % 7, kernel="delta", estimator="hsic-biased").value)
    mixed = pandas.DataFrame({"word": color, "number": range(90)})
    assert hsic.test(mixed, grade, kernel="delta", permutations=9).kernel_x == "delta"


def test_own_kernels_and_widths_for_y():
    x, y = X, Y[:, None]
    apart = hsic.measure(x, y, estimator="hsic-biased", kernel="linear", kernel_y="gaussian", sigma_y=0.3, scale=False)
    assert (apart.kernel_x, apart.kernel_y, apart.sigma_x, apart.sigma_y) == ("linear", "gaussian", None, 0.3)
    center = np.eye(300) - 1 / 300
    k = x @ x.T
    l = np.exp(-((y - y.T) ** 2) / (2 * 0.3**2))
    # tr(K H L H) / m^2, in double precision.
    assert apart.value == pytest.approx(np.trace(k @ center @ l @ center) / 300**2, rel=1e-9)
    laplacian = hsic.measure(x, y, estimator="hsic-unbiased", kernel="laplacian", sigma=2.0, scale=True)
    assert (laplacian.sigma_x, laplacian.sigma_y) == (2.0, 2.0)


def test_cka_is_that_of_the_formula():
    a, b = X - X.mean(0), np.column_stack([Y, Z]) - [Y.mean(), Z.mean()]
    expected = np.linalg.norm(a.T @ b) ** 2 / np.linalg.norm(a.T @ a) / np.linalg.norm(b.T @ b)
    assert hsic.cka(X, np.column_stack([Y, Z])) == pytest.approx(expected, rel=1e-12)
    assert isinstance(hsic.cka(X, Y), float)
    assert hsic.cka(X, X[:, ::-1], debiased=True) == pytest.approx(1, rel=1e-12)
    assert abs(hsic.cka(X, Z, debiased=True)) < 0.05
    assert hsic.cka(X, Y, kernel="gaussian") == pytest.approx(0.2333060194316079, rel=1e-10)


def test_results_are_frozen_and_show_themselves():
    result = hsic.test(X, Y, permutations=99)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.p_value = 0.5
    assert result.to_dict() == {"statistic": result.statistic, "p_value": 0.01, "method": "permutation", "permutations": 99,
                                "rows": 300, "kernel_x": "gaussian", "kernel_y": "gaussian"}
    assert "<th style='text-align:left'>p_value</th><td>0.01</td>" in result._repr_html_()
    assert hsic.measure(X, Y).to_dict()["sigma_x"] == 5.0


FAULTS = [
    (lambda: hsic.measure(X, Y[:-1]), ValueError, "x has 300 rows and y has 299: expected the same number"),
    (lambda: hsic.measure([[1.0], [np.nan], [2.0]], [1, 2, 3]), ValueError, "x[1, 0] is not a finite number"),
    (lambda: hsic.measure(X, Y, estimator="hsci-biased"), ValueError, "(did you mean hsic-biased?)"),
    (lambda: hsic.measure(X, Y, kernel="gausian"), ValueError, "kernel = gausian: expected one of gaussian"),
    (lambda: hsic.measure(X, Y, kernel_y="d"), ValueError, "kernel_y = d: expected one of"),
    (lambda: hsic.measure(X, Y, estimator="cka", epsilon=1e-3), ValueError, "epsilon = 0.001: expected not given for estimator = cka"),
    (lambda: hsic.measure(X, Y, epsilon=0.0), ValueError, "epsilon = 0: expected a finite number > 0"),
    (lambda: hsic.measure(X, Y, sigma=-1), ValueError, "sigma = -1: expected a finite number > 0, or 'median'"),
    (lambda: hsic.measure(X, Y, sigma="mean"), ValueError, "sigma = mean: expected a finite number > 0, or 'median'"),
    (lambda: hsic.measure(X, Y, sigma="median", scale=True), ValueError, "never scaled"),
    (lambda: hsic.measure(X, Y, kernel="linear", sigma=2), ValueError, "sigma = 2: expected not given for kernel = linear"),
    (lambda: hsic.measure(X, Y, kernel_y="delta", sigma_y=2), ValueError, "sigma_y = 2: expected not given for kernel_y = delta"),
    (lambda: hsic.measure(X.reshape(30, 10, 2), Y), ValueError, "x has 3 dimensions: expected one sample a row; x.reshape(len(x), -1)"),
    (lambda: hsic.measure(1.0, Y), ValueError, "x has 0 dimensions"),
    (lambda: hsic.measure(X * 1j, Y), TypeError, "x is of type complex128"),
    (lambda: hsic.measure(np.array(["2026-01-01"] * 300, dtype="M8[D]"), Y), TypeError, "x is of type datetime64[D]"),
    (lambda: hsic.measure(np.ma.masked_less(X, 0), Y), ValueError, "x has masked entries"),
    (lambda: hsic.measure(["a", None, "b"], [1, 2, 3]), ValueError, "x, row 1 is missing"),
    (lambda: hsic.measure(["a", 1.5, "b"], [1, 2, 3]), ValueError, "x has words beside numbers"),
    (lambda: hsic.measure(["a", "b", "c"], [1, 2, 3], kernel="linear"), ValueError, "x has words: expected numbers for kernel = linear"),
    (lambda: hsic.measure(np.zeros((5, 0)), Y[:5]), ValueError, "x has no columns"),
    (lambda: hsic.cka(np.ones(5), Y[:5]), ValueError, "cka is 0/0: x has no variation"),
    (lambda: hsic.test(X, Y, permutations=0), ValueError, "permutations = 0: expected a whole number >= 1"),
    (lambda: hsic.test(X, Y, method="gamma", permutations=9), ValueError, "permutations = 9: expected not given for method = gamma"),
    (lambda: hsic.test(X, Y, method="gamma", random_state=9), ValueError, "random_state = 9: expected not given"),
    (lambda: hsic.test(X, Y, method="gamma", kernel="linear"), ValueError, "kernel_x is linear"),
    (lambda: hsic.test(X, Y, method="gama"), ValueError, "method = gama: expected one of permutation, gamma (did you mean gamma?)"),
    (lambda: hsic.test(X, Y, random_state=-1), ValueError, "random_state = -1: expected a whole number from 0"),
    (lambda: hsic.test(X, Y, random_state=0.5), ValueError, "random_state = 0.5"),
    (lambda: hsic.test(X, Y, n_jobs=0), ValueError, "n_jobs = 0: expected a whole number >= 1, or -1 or None"),
    (lambda: hsic.test(X[:1], Y[:1]), ValueError, "x has 1 rows: expected at least 2"),
    (lambda: hsic.test(np.broadcast_to(0.0, (10**7, 1)), np.broadcast_to(0.0, (10**7, 1))), MemoryError, "expected fewer rows"),
]


@pytest.mark.parametrize(("call", "kind", "words"), FAULTS, ids=range(len(FAULTS)))
def test_faults_name_argument_value_and_remedy(call, kind, words):
    with pytest.raises(kind) as raised:
        call()
    assert words in str(raised.value)


def test_frames_name_their_columns():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for frame in (pandas.DataFrame({"a": [1.0, 2], "b": ["u", "v"]}), polars.DataFrame({"a": [1.0, 2], "b": ["u", "v"]})):
        with pytest.raises(ValueError, match="x has words in column 'b' beside columns of numbers"):
            hsic.measure(frame, [1, 2])
    with pytest.raises(ValueError, match="x, column 'b', row 1 is missing"):
        hsic.measure(pandas.DataFrame({"b": ["u", None]}), [1, 2])
    with pytest.raises((ValueError, TypeError)):
        hsic.measure(pandas.DataFrame({"b": pandas.array([1, None], dtype="Int64")}), [1, 2])
