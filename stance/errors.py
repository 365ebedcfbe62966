"""What can go wrong, in one line each: what, where, and what to do about it."""

from __future__ import annotations

__all__ = ["ArtifactError", "CodebookError", "DataError", "MissingExtraError", "StanceError", "missing_extra"]


class StanceError(Exception):
    """Base of all errors that a user can mend; the command line prints it as one line and exits 1."""


class DataError(StanceError, ValueError):
    """Input that cannot be read or used as it is."""


class CodebookError(StanceError, ValueError):
    """A codebook that does not say what it must."""


class ArtifactError(StanceError, ValueError):
    """A model folder that is missing, damaged, or not to be trusted."""


class MissingExtraError(StanceError, ImportError):
    """An optional dependency that is not installed."""


def missing_extra(feature: str, extra: str) -> MissingExtraError:
    """Return the error for a feature whose optional dependency is absent.

    Examples
    --------
    >>> print(missing_extra("reading parquet", "parquet"))
    reading parquet needs an optional package: pip install 'stance-bloc[parquet]'
    """
    return MissingExtraError(f"{feature} needs an optional package: pip install 'stance-bloc[{extra}]'")
