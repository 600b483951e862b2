"""
What the package computes in Rust.
"""

from _typeshed import SupportsGetItem
from os import PathLike
import numpy
import typing
from typing import SupportsFloat, SupportsIndex, final

__all__ = ["Data", "Model", "Operator", "Settings", "check_elsewhere", "compare", "conclude_parts", "estimators", "gamma_test", "kernels", "learn_part", "list_runs", "measure", "permutation_test", "read_run", "run_figures", "train"]

@final
class Data:
    """
    What a network is trained on and judged by.
    """
    @staticmethod
    def load(settings: Settings) -> Data:
        """
        The data that settings name.
        """
    @property
    def notes(self, /) -> str:
        """
        What should be said of the data, as JSON.
        """
    @staticmethod
    def of_rows(train: tuple[numpy.ndarray, numpy.ndarray], test: tuple[numpy.ndarray, numpy.ndarray] | None, names: SupportsGetItem[int, str] | None, standardize: bool, like: str | PathLike[str] | None) -> Data:
        """
        Rows of arrays. `names` are those of the classes, whose indices stand in `y`, and are left out where it has values.
        Without a test part some of the training rows judge. Columns are standardized by the training part, or by the record
        of the run in the folder `like`.
        """
    @property
    def sizes(self, /) -> tuple[int, int, int]:
        """
        Training rows, test rows and columns.
        """

@final
class Model:
    """
    A trained network with its readout.
    """
    def __new__(cls, /, folder: str | PathLike[str]) -> Model:
        """
        The finished run in a folder, which is not read again.
        """
    @property
    def class_names(self, /) -> list[str]:
        """
        Names of the classes; none where values are learned.
        """
    def classes(self, /, x: numpy.ndarray, threads: SupportsIndex) -> numpy.ndarray:
        """
        Index of the class of each row: that of the unit with the largest output.
        """
    @property
    def columns(self, /) -> int:
        """
        Columns of a row.
        """
    @property
    def feature_columns(self, /) -> int:
        """
        Columns of the features of all blocks.
        """
    def features(self, /, x: numpy.ndarray, all: bool, threads: SupportsIndex) -> numpy.ndarray:
        """
        Features of all blocks side by side, or outputs of the last, m x columns in single precision.
        """
    @property
    def of_values(self, /) -> bool:
        """
        Whether values are learned.
        """
    def probabilities(self, /, x: numpy.ndarray, threads: SupportsIndex) -> numpy.ndarray:
        """
        Probabilities of the classes, m x classes, of rows in the units of the training data.
        """
    def read(self, /, path: str | PathLike[str], threads: SupportsIndex) -> numpy.ndarray:
        """
        The rows of a file as the network takes them, brought to what it was trained on.
        """
    def values(self, /, x: numpy.ndarray, threads: SupportsIndex) -> numpy.ndarray:
        """
        The value of each row, in the unit of the target.
        """

@final
class Operator:
    """
    What the losses of all blocks share of one batch.
    """
    def __new__(cls, /, x: numpy.ndarray | None, labels: numpy.ndarray | None, numbers: numpy.ndarray | None, classes: SupportsIndex, double: bool, sigma: SupportsFloat | SupportsIndex, sigma_labels: SupportsFloat | SupportsIndex, epsilon: SupportsFloat | SupportsIndex, beta: SupportsFloat | SupportsIndex, x_weight: SupportsFloat | SupportsIndex) -> Operator:
        """
        The operator of a batch: of `labels` below `classes`, or of `numbers`, one of which is None; `x` may be None.
        """
    def evaluate(self, /, z: numpy.ndarray) -> tuple[float, float, float, bool, numpy.ndarray]:
        """
        Terms and gradient at `z`, which is of the operator's type. Runs on the caller's thread, without the interpreter's lock.
        """
    @property
    def label_trace(self, /) -> float:
        """
        tr R_Y, the least upper bound of nHSIC(Z, Y).
        """
    @property
    def vanished(self, /) -> bool:
        """
        Whether the targets have all but vanished under the ridge.
        """
    @property
    def x_trace(self, /) -> float:
        """
        tr R_X, the least upper bound of nHSIC(Z, X); 0 without the X term.
        """

@final
class Settings:
    """
    What a user gave of a training.
    """
    def __new__(cls, /, options: str, file: str | PathLike[str] | None) -> Settings:
        """
        Of options as JSON, by name, and of a file of settings.
        """
    def resolved(self, /) -> str:
        """
        Every option as JSON, with its default where none was given and it does not follow from the data.
        """
    @staticmethod
    def stages() -> list[tuple[str, list[str]]]:
        """
        Names of all options, by stage.
        """

def check_elsewhere(text: str) -> str:
    """
    Checks a record of a training that was made elsewhere and gives it back as it is written.
    """

def compare(settings: Settings, methods: str, budget: str | None, seeds: SupportsIndex, batch_sizes: SupportsGetItem[int, SupportsIndex], folder: str | PathLike[str], elsewhere: SupportsGetItem[int, str], hear: typing.Any) -> str | None:
    """
    Compares methods on one data set into a folder; `hear` is told of each training and says whether to go on. Gives the record
    as JSON; None if it was told to stop.
    """

def conclude_parts(data: Data, folder: str | PathLike[str], threads: SupportsIndex) -> str:
    """
    Judges what the passes over parts learned, on a sample of the rows.
    """

def estimators() -> list[str]:
    """
    Names of all estimators.
    """

def gamma_test(x: numpy.ndarray, y: numpy.ndarray, kernels: tuple[tuple[str, SupportsFloat | SupportsIndex | None, bool], tuple[str, SupportsFloat | SupportsIndex | None, bool]], threads: SupportsIndex) -> tuple[float, float]:
    """
    Statistic and p-value by the gamma approximation.
    """

def kernels() -> list[str]:
    """
    Names of all kernels.
    """

def learn_part(settings: Settings, data: Data, folder: str | PathLike[str], passes: SupportsIndex) -> int:
    """
    One pass over rows that come by and by, into a folder that is new or holds what the passes before it learned: at a rate that
    does not fall. `passes` were made before. Gives the rows of a batch.
    """

def list_runs(folder: str | PathLike[str], conditions: SupportsGetItem[int, str]) -> str:
    """
    The runs below a folder that fulfil all conditions, as JSON.
    """

def measure(x: numpy.ndarray, y: numpy.ndarray, kernels: tuple[tuple[str, SupportsFloat | SupportsIndex | None, bool], tuple[str, SupportsFloat | SupportsIndex | None, bool]], estimator: str, epsilon: SupportsFloat | SupportsIndex, threads: SupportsIndex) -> tuple[float, float | None, float | None]:
    """
    The figure, and the widths of both kernels.
    """

def permutation_test(x: numpy.ndarray, y: numpy.ndarray, kernels: tuple[tuple[str, SupportsFloat | SupportsIndex | None, bool], tuple[str, SupportsFloat | SupportsIndex | None, bool]], permutations: SupportsIndex, seed: SupportsIndex, threads: SupportsIndex) -> tuple[float, float]:
    """
    Statistic and p-value of a permutation test.
    """

def read_run(folder: str | PathLike[str]) -> str:
    """
    All that a run's folder tells, as JSON: options, data, summary, and the records of training by kind.
    """

def run_figures(folder: str | PathLike[str]) -> list[tuple[str, str]]:
    """
    Figures of a run: titles and SVG.
    """

def train(settings: Settings, data: Data | None, folder: str | PathLike[str], place: str, every: SupportsIndex, hear: typing.Any) -> str | None:
    """
    Trains into a folder, which is new (`new`), holds a run to be written over (`over`) or one to be taken up (`resume`). `hear`
    is told of every so many steps (0 for none), of epochs and warnings; when it says no, training ends, and what was learned
    by then is judged. Gives the summary as JSON; None if training was stopped and could not be concluded.
    """
