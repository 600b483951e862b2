"""The examples in the package's own words, and in docs/python.md, give what they say."""

import ast
import doctest
import importlib
import importlib.util
import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
MODULES = ["hsic._statistics", "hsic._objective", "hsic._assignment", "hsic._columns", "hsic._training", "hsic.sklearn"]

pytestmark = pytest.mark.filterwarnings("ignore::hsic.HsicWarning")


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    if name == "hsic.sklearn":
        pytest.importorskip("sklearn")
    module = importlib.import_module(name)
    found = doctest.testmod(module)
    assert found.attempted > 0 and found.failed == 0


def used_by(block):
    """Names, and modules, that the code of a block uses."""
    found = set()
    for example in doctest.DocTestParser().get_examples(block):
        for node in ast.walk(ast.parse(example.source)):
            match node:
                case ast.Name(id=name):
                    found.add(name)
                case ast.Attribute(value=ast.Name(id="hsic"), attr=name):
                    found.add(name)
                case ast.Import(names=names):
                    found |= {part for alias in names for part in alias.name.split(".")}
                case ast.ImportFrom(module=module):
                    found |= set(module.split("."))
    return found


def bound_by(block):
    """Names that a block of examples gives a value, by imports too."""
    found = set()
    for example in doctest.DocTestParser().get_examples(block):
        for node in ast.walk(ast.parse(example.source)):
            match node:
                case ast.Name(id=name, ctx=ast.Store()):
                    found.add(name)
                case ast.Import(names=names) | ast.ImportFrom(names=names):
                    found |= {alias.asname or alias.name.split(".")[0] for alias in names}
    return found


def test_the_page_as_far_as_its_packages_are_there():
    missing = [name for name in ("torch", "jax", "pandas", "sklearn") if importlib.util.find_spec(name) is None]
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 8
    # A block that needs a package that is not there is left out, and so is what builds on it.
    names, without, left_out, ran = {}, set(missing), 0, 0
    runner = doctest.DocTestRunner()
    for number, block in enumerate(blocks):
        if used_by(block) & without:
            without |= bound_by(block) - set(names)
            left_out += 1
            continue
        test = doctest.DocTestParser().get_doctest(block, names, f"block {number}", str(PAGE), 0)
        test.globs = names
        runner.run(test, clear_globs=False)
        ran += 1
    assert runner.failures == 0 and runner.tries > 10
    assert missing or left_out == 0
    assert ran >= 3


def test_the_notebook():
    pytest.importorskip("sklearn")
    cells = json.loads(PAGE.with_suffix(".ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 9 and all(not cell.get("outputs") for cell in cells)
    names = {}
    for number, source in enumerate(code):
        exec(compile(source, f"{PAGE.stem}.ipynb, code {number}", "exec"), names)
