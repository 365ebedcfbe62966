"""The exports of annotation tools, recognised by their shape and turned into plain records.

doccano
    ``{"id": 1, "text": ..., "label": ["engage"]}``, in csv ``engage#terrorist``; older versions write ``data``.
Label Studio
    tasks ``{"data": {"text": ...}, "annotations": [{"result": [{"type": "choices", ...}]}]}``, and the flat JSON_MIN
    and CSV forms, in which several choices are ``{"choices": [...]}``.
Prodigy
    ``{"text": ..., "answer": "accept", "accept": ["engage"]}`` of a choice, or ``"label": "engage"`` of a binary task.
Argilla
    ``{"fields": {"text": ...}, "responses": {"stance": [{"value": ..., "user_id": ...}]}}``, its forerunner with a list
    of responses, and the records of version 1, ``{"text": ..., "annotation": ...}``.

Where several annotators share a record (Label Studio's tasks, Argilla), the label is what most of them say. The other
forms have a row for each annotator; each stays a row, unless one annotator is chosen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from stance.errors import DataError

__all__ = ["Skipped", "plain_record"]


class Skipped(Exception):
    """A record without a label that can be taken; the message says why.

    Attributes
    ----------
    record
        The record without its label.
    """

    def __init__(self, why: str, record: Mapping[str, Any] | None = None) -> None:
        super().__init__(why)
        self.record: Mapping[str, Any] = record or {}


def plain_record(record: Mapping[str, Any], *, label: str = "", annotator: str = "") -> dict[str, Any]:
    """Return a record with its text and its label as plain columns.

    Parameters
    ----------
    record
        As it stands in the export; a record of no known tool comes back as it is.
    label
        The name of the question, where the tool may ask several; by default the only one, or ``label``.
    annotator
        Whose label to take; by default what all say, or most of them.

    Raises
    ------
    Skipped
        If nobody has labelled it, it was rejected, annotators disagree evenly, or it answers several questions and
        none is named.
    DataError
        If it looks like a tool's record but is malformed, or labels parts of the text; without the place.

    Examples
    --------
    >>> plain_record({"text": "Talk to them.", "answer": "accept", "accept": ["engage"]})["label"]
    'engage'
    """
    for fits, content, answer in _TOOLS:
        if fits(record, label):
            plain = content(record, label)
            try:
                return {**plain, (label or "label"): answer(record, label, annotator)}
            except Skipped as reason:
                raise Skipped(str(reason), plain) from None
    if not _by(record.get("annotator", annotator), annotator):
        raise Skipped(f"not annotated by {annotator}", {k: v for k, v in record.items() if k != (label or "label")})
    return dict(record)


# -- Label Studio ----------------------------------------------------------------------------------------------------


def _is_label_studio(record: Mapping[str, Any], label: str) -> bool:
    return isinstance(record.get("data"), dict) and isinstance(record.get("annotations"), list)


def _label_studio_content(record: Mapping[str, Any], label: str) -> dict[str, Any]:
    return dict(record["data"])


def _label_studio(record: Mapping[str, Any], label: str, annotator: str) -> str:
    votes = [
        (str(result.get("from_name", "")), _items(_object(result.get("value"), "value").get("choices", [])))
        for annotation in _objects(record["annotations"], "annotations")
        if not annotation.get("was_cancelled") and _by(annotation.get("completed_by"), annotator)
        for result in _objects(annotation.get("result") or [], "result")
        if result.get("type") == "choices"
    ]
    return _most_say(votes, label)


def _by(who: Any, annotator: str) -> bool:
    """Return whether somebody, a number or an object with an email address, is the annotator asked for."""
    names = (who.get("email"), who.get("id")) if isinstance(who, dict) else (who,)
    return not annotator or annotator in map(str, names)


# -- Prodigy ---------------------------------------------------------------------------------------------------------


def _is_prodigy(record: Mapping[str, Any], label: str) -> bool:
    return record.get("answer") in ("accept", "reject", "ignore") and ("accept" in record or "label" in record)


def _prodigy_content(record: Mapping[str, Any], label: str) -> dict[str, Any]:
    meta = record.get("meta")
    kept = {key: value for key, value in record.items() if not key.startswith("_") and key not in _PRODIGY_OWN}
    return {**(meta if isinstance(meta, dict) else {}), **kept}


def _prodigy(record: Mapping[str, Any], label: str, annotator: str) -> str:
    if annotator and annotator not in (record.get("_annotator_id"), record.get("_session_id")):
        raise Skipped(f"not annotated by {annotator}")
    if record["answer"] != "accept":
        raise Skipped(f"answered {record['answer']!r}")
    return _joined(record["accept"] if "accept" in record else record["label"])


_PRODIGY_OWN = {"accept", "answer", "options", "meta", "label", "spans", "tokens", "score", "priority"}


# -- Argilla ---------------------------------------------------------------------------------------------------------


def _is_argilla(record: Mapping[str, Any], label: str) -> bool:
    return isinstance(record.get("fields"), dict) and "responses" in record


def _argilla_content(record: Mapping[str, Any], label: str) -> dict[str, Any]:
    return {**_object(record.get("metadata") or {}, "metadata"), **record["fields"]}


def _argilla(record: Mapping[str, Any], label: str, annotator: str) -> str:
    votes = [
        (question, _answer(response))
        for question, response in _responses(record["responses"] or {})
        if response.get("status", "submitted") == "submitted" and _by(response.get("user_id"), annotator)
    ]
    return _most_say(votes, label)


def _answer(response: Mapping[str, Any]) -> Any:
    if "value" not in response:
        raise _malformed("response", "an object with a value", response)
    return response["value"]


def _responses(responses: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield questions with what one annotator said; in version 2's forerunner the annotators come first."""
    if isinstance(responses, dict):
        for question, said in responses.items():
            yield from ((question, response) for response in _objects(said or [], "responses"))
    else:
        for response in _objects(responses, "responses"):
            for question, said in _object(response.get("values") or {}, "values").items():
                yield question, {**response, **_object(said, "values")}


def _is_argilla_1(record: Mapping[str, Any], label: str) -> bool:
    return "annotation" in record and "prediction" in record and ("text" in record or "inputs" in record)


def _argilla_1_content(record: Mapping[str, Any], label: str) -> dict[str, Any]:
    inputs = record.get("inputs")
    texts = inputs if isinstance(inputs, dict) else {"text": record.get("text")}
    return {**_object(record.get("metadata") or {}, "metadata"), **texts}


def _argilla_1(record: Mapping[str, Any], label: str, annotator: str) -> str:
    if annotator and record.get("annotation_agent") != annotator:
        raise Skipped(f"not annotated by {annotator}")
    if record["annotation"] is None or record.get("status") == "Discarded":
        raise Skipped("not annotated" if record["annotation"] is None else "discarded")
    return _joined(record["annotation"])


# -- doccano, and flat forms -----------------------------------------------------------------------------------------


def _flat_key(record: Mapping[str, Any], label: str) -> str:
    return next((key for key in (label, "label", "labels") if key and key in record), "")


def _is_flat(record: Mapping[str, Any], label: str) -> bool:
    """Tell lists of labels, cells that hold a list of choices, and doccano's csv, which has these columns only."""
    said = record.get(_flat_key(record, label))
    if isinstance(said, str):
        return set(record) in _DOCCANO_COLUMNS or _choices(said) is not None
    return isinstance(said, (list, dict))


_DOCCANO_COLUMNS = ({"id", "text", "label"}, {"id", "data", "label"}, {"id", "text", "label", "Comments"})


def _choices(cell: str) -> dict[str, Any] | None:
    """Return a cell such as ``{"choices": ["engage"]}`` as what it says, or None if it is no such cell."""
    if not cell.startswith('{"choices"'):
        return None
    try:
        return dict(json.loads(cell))
    except (ValueError, RecursionError):
        return None


def _flat_content(record: Mapping[str, Any], label: str) -> dict[str, Any]:
    made = {name: value for name, value in record.items() if name != _flat_key(record, label)}
    if "text" not in made and isinstance(made.get("data"), str):
        made["text"] = made.pop("data")
    return made


def _flat(record: Mapping[str, Any], label: str, annotator: str) -> str:
    if not _by(record.get("annotator", annotator), annotator):
        raise Skipped(f"not annotated by {annotator}")
    said = record[_flat_key(record, label)]
    if isinstance(said, str):
        said = _choices(said) or said.split("#")
    return _joined(_items(said.get("choices")) if isinstance(said, dict) else said)


_TOOLS: tuple[
    tuple[
        Callable[[Mapping[str, Any], str], bool],
        Callable[[Mapping[str, Any], str], dict[str, Any]],
        Callable[[Mapping[str, Any], str, str], str],
    ],
    ...,
] = (
    (_is_label_studio, _label_studio_content, _label_studio),
    (_is_argilla, _argilla_content, _argilla),
    (_is_argilla_1, _argilla_1_content, _argilla_1),
    (_is_prodigy, _prodigy_content, _prodigy),
    (_is_flat, _flat_content, _flat),
)


# -- what they say ---------------------------------------------------------------------------------------------------


def _most_say(votes: Sequence[tuple[str, Any]], label: str) -> str:
    """Return what most annotators say to a question; empty answers do not count."""
    votes = [(question, value) for question, value in votes if value not in (None, "", [])]
    questions = {question for question, _ in votes}
    if not label and len(questions) > 1:
        raise Skipped(f"several questions ({', '.join(sorted(questions))}): name one with --label-column")
    ranked = Counter(_joined(value) for question, value in votes if question == (label or question)).most_common(2)
    if not ranked:
        raise Skipped("no label")
    if len(ranked) == 2 and ranked[0][1] == ranked[1][1]:
        raise Skipped("annotators disagree")
    return ranked[0][0]


def _joined(value: Any) -> str:
    """Return a choice, or several joined by ``+`` in the order of the alphabet."""
    if value is None:
        raise Skipped("no label")
    chosen = sorted({str(item) for item in _items(value if isinstance(value, list) else [value])} - {""})
    if not chosen:
        raise Skipped("no label")
    return "+".join(chosen)


# -- shapes ----------------------------------------------------------------------------------------------------------


def _items(value: Any) -> list[Any]:
    """Return a list of labels; lists of anything but texts and numbers, such as spans, are refused."""
    if not isinstance(value, list) or not all(isinstance(item, (str, int, float)) for item in value):
        raise _malformed("label", "a list of texts or numbers", value)
    return value


def _objects(value: Any, what: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _malformed(what, "a list of objects", value)
    return value


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(what, "an object", value)
    return value


def _malformed(what: str, shape: str, value: Any) -> DataError:
    return DataError(f"{what!r} in this export is {value!r:.60}, not {shape}; export labels of whole texts anew")
