"""Settings out of TOML files: each table knows where it stands, and errors name the file, the line and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stance.errors import CodebookError

__all__ = ["Table", "read_table"]

_LONG_TEXT = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'', re.DOTALL)
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*(\w+)[ \t]*\]\]", re.MULTILINE)


def read_table(path: Path) -> Table:
    """Read a TOML file.

    Raises
    ------
    CodebookError
        If it is absent or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = tomllib.loads(text)
    except OSError as error:
        raise CodebookError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CodebookError(f"{path}: not TOML: {error}") from error
    lines: dict[str, list[int]] = {}
    for header in _HEADER.finditer(_LONG_TEXT.sub(lambda match: "\n" * match[0].count("\n"), text)):
        lines.setdefault(header[1], []).append(header.string.count("\n", 0, header.start(1)) + 1)
    return Table(data, str(path), lines)


class Table:
    """A TOML table that knows where it is, and which of its keys were read.

    Parameters
    ----------
    data
        The table.
    where
        What errors call it, such as ``codebook.toml:12: bloc 2``.
    lines
        The lines on which each ``[[key]]`` table of it starts, if they are known.
    """

    def __init__(self, data: Mapping[str, Any], where: str, lines: Mapping[str, list[int]] | None = None) -> None:
        self.where = where
        self._data, self._lines = data, lines or {}
        self._children: list[Table] = []
        self._seen: set[str] = set()

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        """Return the value of a key, which is of the kind, or the default; without a default the key is needed."""
        self._seen.add(key)
        value = self._data.get(key, default)
        if value is None:
            raise CodebookError(f"{self.where}: key {key!r} is missing; give it a {kind.__name__}")
        if type(value) is not kind:
            raise CodebookError(f"{self.where}: {key!r} must be of type {kind.__name__}, not {type(value).__name__}")
        if kind is str and default is None and not str(value).strip():
            raise CodebookError(f"{self.where}: {key!r} is empty")
        return value

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of names; empty if there is no such key."""
        values = self.take(key, list, [])
        if bad := [v for v in values if not isinstance(v, str) or not v.strip()]:
            raise CodebookError(f"{self.where}: {key!r} must hold names, not {bad[0]!r}")
        return tuple(values)

    def tables(self, key: str) -> list[Table]:
        """Return the tables of a key, each of which knows its number and, if it can be told, its line."""
        values = self.take(key, list, [])
        if any(not isinstance(v, Mapping) for v in values):
            raise CodebookError(f"{self.where}: {key!r} must be written as [[{key}]] tables")
        lines = self._lines.get(key, [])
        at = [f":{line}" for line in lines] if len(lines) == len(values) else [""] * len(values)
        made = [
            Table(v, f"{self.where}{line}: {key} {i}") for i, (v, line) in enumerate(zip(values, at, strict=True), 1)
        ]
        self._children += made
        return made

    def close(self) -> None:
        """Refuse keys that nobody read: most are misspelt."""
        if unknown := sorted(set(self._data) - self._seen):
            raise CodebookError(f"{self.where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(self._seen))}")
        for child in self._children:
            child.close()
