"""A bar that says how far a training is: in a terminal on one line, in a notebook in one cell, else nothing."""

from __future__ import annotations

import sys
import time
from typing import Any, Literal, Union

Progress = Union[bool, Literal["auto"]]

#: Seconds between two drawings.
_PAUSE = 0.1
_WIDTH = 24


class Bar:
    """`Bar.of(progress)` is one that draws, or None."""

    def __init__(self, display: Any) -> None:
        self._display, self._drawn, self._words, self._handle = display, 0.0, "", None
        self._begun = time.monotonic()

    @classmethod
    def of(cls, progress: Progress) -> Bar | None:
        if progress is False:
            return None
        display = _notebook()
        return cls(display) if display is not None or progress is True or sys.stderr.isatty() else None

    def at(self, done: int, total: int, words: str = "") -> None:
        """Draws where things are; not more than ten times a second."""
        self._words = words or self._words
        now = time.monotonic()
        if done < total and now - self._drawn < _PAUSE:
            return
        self._drawn = now
        filled = _WIDTH * done // max(total, 1)
        seconds = now - self._begun
        left = seconds * (total - done) / done if done else 0.0
        self._show(f"[{'=' * filled}{' ' * (_WIDTH - filled)}] {done:,}/{total:,} {seconds:.0f} s"
                   f"{f', {left:.0f} s left' if done < total else ''} {self._words}")

    def end(self) -> None:
        if self._display is None:
            sys.stderr.write("\n")
            sys.stderr.flush()

    def _show(self, line: str) -> None:
        if self._display is None:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        elif self._handle is None:
            self._handle = self._display({"text/plain": line}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": line}, raw=True)


def _notebook() -> Any:
    """IPython's `display` in a notebook; None elsewhere. IPython is not loaded for it."""
    shell = sys.modules.get("IPython")
    shell = shell.get_ipython() if shell is not None else None
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None
    return sys.modules["IPython"].display.display
