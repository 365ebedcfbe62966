"""Where the shipped data and models are: inside an installed wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

from stance.errors import StanceError

__all__ = ["DEFAULT_MODEL", "shipped"]

DEFAULT_MODEL = "accurate"
"""The shipped model that is taken where none is named."""

_PACKAGE = Path(__file__).resolve().parent
_PLACES = (_PACKAGE / "_shipped", _PACKAGE.parent)


def shipped(*parts: str) -> Path:
    """Return the path of a shipped file or folder.

    Parameters
    ----------
    *parts
        The path below the project's top, such as ``"data", "codebook.toml"``.

    Raises
    ------
    StanceError
        If neither place has it.

    Examples
    --------
    >>> shipped("data", "codebook.toml").name
    'codebook.toml'
    """
    for place in _PLACES:
        path = place.joinpath(*parts)
        if path.exists():
            return path
    tried = " and ".join(str(place) for place in _PLACES)
    raise StanceError(
        f"{'/'.join(parts)} is not shipped with this installation (looked in {tried}); reinstall stance-bloc"
    )
