"""The exports of annotation tools, recognised by their shape and turned into plain records.

doccano
    ``{"id": 1, "text": ..., "label": ["engage"]}``, in csv ``engage#terrorist``; older versions write ``data``.
Label Studio
    tasks ``{"data": {"text": ...}, "annotations": [{"result": [{"type": "choices", ...}]}]}``, and the flat JSON_MIN and
    CSV forms, in which several choices are ``{"choices": [...]}``.
Prodigy
    ``{"text": ..., "answer": "accept", "accept": ["engage"]}`` of a choice, or ``"label": "engage"`` of a binary task.
Argilla
    ``{"fields": {"text": ...}, "responses": {"stance": [{"value": ..., "user_id": ...}]}}``, and the records of
    version 1, ``{"text": ..., "annotation": ...}``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Skipped", "plain_record"]


class Skipped(Exception):
    """A record without a label that can be taken; the message says why."""


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
        If nobody has labelled it, it was rejected, or annotators disagree evenly.

    Examples
    --------
    >>> plain_record({"text": "Talk to them.", "answer": "accept", "accept": ["engage"]})["label"]
    'engage'
    """
    for fits, convert in _TOOLS:
        if fits(record):
            return convert(record, label, annotator)
    return dict(record)


# -- Label Studio ----------------------------------------------------------------------------------------------------


def _is_label_studio(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("data"), dict) and isinstance(record.get("annotations"), list)


def _label_studio(record: Mapping[str, Any], label: str, annotator: str) -> dict[str, Any]:
    votes = []
    for annotation in record["annotations"]:
        who = annotation.get("completed_by")
        who = who.get("email") or who.get("id") if isinstance(who, dict) else who
        if annotation.get("was_cancelled") or (annotator and str(who) != annotator):
            continue
        results = [r for r in annotation.get("result", []) if r.get("type") == "choices"]
        votes += [_joined(r["value"]["choices"]) for r in results if not label or r.get("from_name") == label]
    return {**record["data"], (label or "label"): _decided(votes)}


# -- Prodigy ---------------------------------------------------------------------------------------------------------


def _is_prodigy(record: Mapping[str, Any]) -> bool:
    return record.get("answer") in {"accept", "reject", "ignore"} and ("accept" in record or "label" in record)


def _prodigy(record: Mapping[str, Any], label: str, annotator: str) -> dict[str, Any]:
    who = str(record.get("_annotator_id") or record.get("_session_id") or "")
    if annotator and who != annotator:
        raise Skipped(f"not annotated by {annotator}")
    if record["answer"] != "accept":
        raise Skipped(f"answered {record['answer']!r}")
    meta = record.get("meta")
    kept = {key: value for key, value in record.items() if not key.startswith("_") and key not in _PRODIGY_OWN}
    said = _joined(record["accept"]) if "accept" in record else str(record["label"])
    return {**(meta if isinstance(meta, dict) else {}), **kept, (label or "label"): said}


_PRODIGY_OWN = {"accept", "answer", "options", "meta", "label", "spans", "tokens", "score", "priority"}


# -- Argilla ---------------------------------------------------------------------------------------------------------


def _is_argilla(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("fields"), dict) and "responses" in record


def _argilla(record: Mapping[str, Any], label: str, annotator: str) -> dict[str, Any]:
    responses = record["responses"] or {}
    question = label or next(iter(responses), "label")
    votes = [
        _joined(response["value"])
        for response in responses.get(question) or []
        if response.get("status", "submitted") == "submitted"
        and (not annotator or str(response.get("user_id")) == annotator)
    ]
    return {**(record.get("metadata") or {}), **record["fields"], (label or "label"): _decided(votes)}


def _is_argilla_1(record: Mapping[str, Any]) -> bool:
    return "annotation" in record and "prediction" in record and ("text" in record or "inputs" in record)


def _argilla_1(record: Mapping[str, Any], label: str, annotator: str) -> dict[str, Any]:
    if annotator and record.get("annotation_agent") != annotator:
        raise Skipped(f"not annotated by {annotator}")
    if record["annotation"] is None or record.get("status") == "Discarded":
        raise Skipped("not annotated" if record["annotation"] is None else "discarded")
    inputs = record.get("inputs")
    texts = inputs if isinstance(inputs, dict) else {"text": record["text"]}
    return {**(record.get("metadata") or {}), **texts, (label or "label"): _joined(record["annotation"])}


# -- doccano, and flat forms -----------------------------------------------------------------------------------------


def _is_flat(record: Mapping[str, Any]) -> bool:
    return any(isinstance(record.get(key), (list, dict)) for key in ("label", "labels")) or _is_doccano_csv(record)


def _is_doccano_csv(record: Mapping[str, Any]) -> bool:
    """Tell doccano's csv, whose columns are these three, and a cell that holds a list of choices."""
    said = record.get("label")
    return isinstance(said, str) and (set(record) in _DOCCANO_COLUMNS or said.startswith('{"choices"'))


_DOCCANO_COLUMNS = ({"id", "text", "label"}, {"id", "data", "label"}, {"id", "text", "label", "Comments"})


def _flat(record: Mapping[str, Any], label: str, annotator: str) -> dict[str, Any]:
    if annotator and str(record.get("annotator", annotator)) != annotator:
        raise Skipped(f"not annotated by {annotator}")
    key = "label" if "label" in record else "labels"
    said = record[key]
    if isinstance(said, str) and said.startswith('{"choices"'):
        said = json.loads(said)
    if isinstance(said, dict):
        said = said.get("choices", [])
    if isinstance(said, str):
        said = said.split("#")
    made = {name: value for name, value in record.items() if name != key}
    if "text" not in made and isinstance(made.get("data"), str):
        made["text"] = made.pop("data")
    return {**made, (label or "label"): _joined(said)}


_Convert = Callable[[Mapping[str, Any], str, str], dict[str, Any]]
_TOOLS: tuple[tuple[Callable[[Mapping[str, Any]], bool], _Convert], ...] = (
    (_is_label_studio, _label_studio),
    (_is_argilla, _argilla),
    (_is_argilla_1, _argilla_1),
    (_is_prodigy, _prodigy),
    (_is_flat, _flat),
)


def _joined(value: Any) -> str:
    """Return a choice, or several joined by ``+`` in the order of the alphabet."""
    if isinstance(value, str):
        return value
    chosen = sorted({str(item) for item in value or []} - {""})
    if not chosen:
        raise Skipped("no label")
    return "+".join(chosen)


def _decided(votes: list[str]) -> str:
    if not votes:
        raise Skipped("no label")
    ranked = Counter(votes).most_common(2)
    if len(ranked) == 2 and ranked[0][1] == ranked[1][1]:
        raise Skipped("annotators disagree")
    return ranked[0][0]
