"""A bar on standard error, if that is a terminal: how much of the input is read, how fast, how long it will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from types import TracebackType

    from stance.analysis.parts import Done
    from stance.analysis.pipeline import Tally

__all__ = ["Progress"]

T = TypeVar("T")
_SECONDS = 0.1  # between two pictures


class Progress:
    """The bar of ``stance predict``.

    Parameters
    ----------
    inputs, input_format
        Whose bytes are counted; without a bar if standard input is among them.
    shown
        Whether there may be a bar: not where rows go to the terminal, too.
    """

    def __init__(self, inputs: Sequence[str], input_format: str, *, shown: bool = True) -> None:
        self._terminal = sys.stderr.isatty()
        self._bar: Any = None
        self._sentences, self._waiting, self._begin, self._next = 0, 0, time.monotonic(), 0.0
        if self._terminal and (shown or not sys.stdout.isatty()) and "-" not in inputs:
            from stance.analysis.parts import Survey

            self._bar = click.progressbar(
                length=Survey.of(inputs, input_format).size,
                label="labelling",
                file=sys.stderr,
                item_show_func=lambda _: self._rate(),
            )

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._update(0)
            self._bar.__exit__(kind, error, trace)

    def seen(self, n: int) -> None:
        """Count bytes that are read."""
        self._waiting += n

    def counted(self, rows: Iterable[T], tally: Tally) -> Iterator[T]:
        """Pass rows on, and draw."""
        for row in rows:
            if self._bar is not None and time.monotonic() >= self._next:
                self._update(tally.sentences)
            yield row

    def finished(self, part: Done) -> None:
        """Count a finished part, and draw."""
        self._waiting += part.size
        self._sentences += part.tally.sentences
        self._update(self._sentences)

    def summary(self, tally: Tally) -> None:
        """Say on the terminal what was labelled, how much of it the gate held back, and how much the encoder read."""
        if not self._terminal or not tally.sentences:
            return
        parts = [f"{tally.sentences:,} sentences in {time.monotonic() - self._begin:.1f} s"]
        if tally.gated:
            parts.append(f"{tally.gated / tally.sentences:.1%} not about the target and not classified")
        asked = tally.sentences - tally.gated
        if 0 < tally.encoded < asked:
            parts.append(f"{tally.encoded / asked:.1%} {'of the others ' if tally.gated else ''}encoded")
        click.echo(f"stance: {'; '.join(parts)}", err=True)

    def _update(self, sentences: int) -> None:
        if self._bar is not None:
            self._sentences = max(self._sentences, sentences)
            self._bar.update(self._waiting, current_item=True)
            self._waiting, self._next = 0, time.monotonic() + _SECONDS

    def _rate(self) -> str:
        return f"{self._sentences / max(time.monotonic() - self._begin, 1e-9):,.0f} sentences/s"
