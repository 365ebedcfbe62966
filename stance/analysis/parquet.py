"""Rows to a parquet file, with the types of the pipeline's columns and those that the user's turn out to have."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import stance
from stance.analysis.holding import COLUMNS
from stance.errors import DataError, missing_extra

__all__ = ["as_text", "has_schema", "made_by", "metadata_of", "refuse_new", "schema_of", "write_parquet"]

Row = Mapping[str, Any]
_PART = 4096
_KEY = b"stance"


def write_parquet(
    rows: Iterable[Row],
    path: Path,
    schema: Any,
    *,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write rows as they come, 4,096 to a row group.

    Parameters
    ----------
    rows
        Rows of sentences, or of anything.
    path
        The file.
    schema
        That of `schema_of`.
    about
        Plain data to keep in the file's metadata; it may be filled in while the rows come.

    Raises
    ------
    DataError
        If a row has another column than the schema, or a value of another type.
    """
    _, pq = _pyarrow()
    source = iter(rows)
    part = list(islice(source, _PART))
    with pq.ParquetWriter(path, schema) as writer:
        while part:
            writer.write_table(_table(part, schema))
            part = list(islice(source, _PART))
        if about is not None:
            writer.add_key_value_metadata({_KEY: json.dumps(about).encode()})


def schema_of(rows: Sequence[Row], fixed: Sequence[str], *, sentences: bool = True) -> Any:
    """Return the schema of some rows: `fixed` columns first, then theirs in the order in which they come.

    Of sentences the fixed columns have the types of the pipeline; all others have those of their values, and are text
    where these do not tell.
    """
    pa, _ = _pyarrow()
    types = dict.fromkeys(("document", "text", "label", *COLUMNS), pa.string()) | {"p_holder": pa.float64()}
    types |= dict.fromkeys(("sentence", "start", "end"), pa.int64())
    types |= dict.fromkeys(("abstained", "gated"), pa.bool_())
    known = {name: types.get(name) or pa.float64() for name in fixed} if sentences else {}
    names = dict.fromkeys([*fixed, *(name for row in rows for name in row)])
    return pa.schema([(name, known.get(name) or _type(pa, rows, name)) for name in names])


def metadata_of(path: Path) -> dict[str, Any] | None:
    """Return what `write_parquet` was given as `about`, nothing of other files; None of what is no parquet file."""
    pa, pq = _pyarrow()
    try:
        found = pq.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError):
        return None
    try:
        return dict(json.loads(found[_KEY]))
    except (KeyError, ValueError, TypeError):
        return {}


def made_by(model: str, fingerprint: str) -> dict[str, str]:
    """Return what the metadata of a file say of the model that made its rows."""
    return {"version": stance.__version__, "model": model, "model_fingerprint": fingerprint}


def has_schema(path: Path, schema: Any) -> bool:
    """Return whether a file has the columns and types of a schema."""
    _, pq = _pyarrow()
    return bool(pq.read_schema(path).equals(schema))


def refuse_new(row: Row, names: Iterable[str]) -> None:
    """Raise `DataError` if a row has a column that is none of the first row's."""
    if strangers := [name for name in row if name not in names]:
        raise DataError(
            f"document {row['document']!r} has a column {strangers[0]!r} that the first rows lack; "
            "write one file of jsonl, or label the files one by one"
        )


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("writing parquet", "parquet") from error
    return pa, pq


def _type(pa: Any, rows: Sequence[Row], name: str) -> Any:
    try:
        found = pa.array([row.get(name) for row in rows]).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()
    return pa.string() if pa.types.is_null(found) else found


def _table(rows: Sequence[Row], schema: Any) -> Any:
    pa, _ = _pyarrow()
    names = set(schema.names)
    for row in rows:
        if not row.keys() <= names:
            refuse_new(row, names)
    return pa.Table.from_arrays([_column(pa, rows, field) for field in schema], schema=schema)


def _column(pa: Any, rows: Sequence[Row], field: Any) -> Any:
    name = field.name
    values = [row.get(name) for row in rows]
    if pa.types.is_string(field.type):
        values = [None if v is None else as_text(v) for v in values]
    try:
        return pa.array(values, type=field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise DataError(f"column {name!r} is {field.type} in the first rows and not later: {error}; write jsonl") from (
            error
        )


def as_text(value: Any) -> str:
    """Return a value as text that can be encoded."""
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = value if isinstance(value, str) else str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
