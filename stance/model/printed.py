"""What a training prints: the data, what was chosen, and the figures."""

from __future__ import annotations

from typing import Any

from stance.model.artifact import StanceModel
from stance.model.card import MUCH_SEEN, TOO_GOOD, headline

__all__ = ["holder_lines", "render_finetuning", "render_training"]


def render_training(model: StanceModel) -> str:
    """Return what a training is to print: the data, what was chosen, and the figures beside the baselines."""
    about = model.about
    lines = [f"{about['corpus']['n']} sentences of {about['corpus']['n_documents']} documents"]
    for target in about["targets"]:
        counts = ", ".join(f"{n} {label}" for label, n in target["labels"].items())
        lines.append(
            f"  {target['target'] or 'labels'}: {counts}; "
            f"chosen C = {target['chosen']['C']:g} in {target['chosen']['folds']} folds"
        )
    for scorer, name in zip(model.scorers.values(), model.targets, strict=True):
        thresholds = ", ".join(f"{n} {t:g}" for n, t in zip(scorer.scores, scorer.thresholds, strict=True))
        lines.append(
            f"  {'offsets' if scorer.codebook.exclusive else 'thresholds'}{f' ({name})' if name else ''}: {thresholds}"
        )
    if (seen := about.get("encoder", {}).get("seen", 0)) > MUCH_SEEN:
        lines.append(f"  the encoder was trained on {seen:.0%} of these sentences: {TOO_GOOD}")
    cv = about["cross_validation"]
    if cv is None:
        lines.append("no cross-validation: a label has too few documents for two folds")
    else:
        lines += ["", f"{'cross-validation':<34}{'classifier':>22}{'keywords':>22}{'majority':>22}"]
        columns = [headline(found) for found in (cv, cv["baselines"]["keywords"], cv["baselines"]["majority"])]
        for key in columns[0]:
            lines.append(f"  {key:<32}" + "".join(f"{_cell(column[key]):>22}" for column in columns))
        for name, found in cv["positions"].items():
            lines.append(f"  F1 of {name:<26}{_cell(found['f1']):>22}")
        ours, *theirs = (column["macro_f1_positions"]["value"] or 0.0 for column in columns)
        if ours <= max(theirs):
            lines.append("  no better than a baseline: there is too little to learn from; add sentences or documents")
    if about["held_out"]:
        lines += ["", f"held-out documents ({about['held_out']['n']} sentences)", *_figure_lines(about["held_out"])]
    lines += holder_lines(model)
    return "\n".join(lines)


def render_finetuning(model: StanceModel) -> str:
    """Return what such a training is to print: the encoder, its 8-bit form, and the figures."""
    about = model.about
    encoder, quantised = about["encoder"], about["encoder"]["quantised"]
    lines = [
        f"encoder from {encoder['base']}, trained on {encoder['sentences']} sentences of {encoder['documents']} "
        "documents",
        f"  in 8 bits {quantised['megabytes']:.1f} MB; decisions as in 32 bits: {quantised['same_decisions']:.2%}; "
        f"largest change of a probability: {quantised['largest_change_of_probability']:.4f}; "
        f"macro-F1 {quantised['macro_f1_8']:.4f}, in 32 bits {quantised['macro_f1_32']:.4f}",
    ]
    for key, title in (("calibration_documents", "kept for calibration, out of fold"), ("held_out", "held out")):
        if about[key]:
            lines += ["", f"{title} ({about[key]['n']} sentences)", *_figure_lines(about[key])]
    lines += holder_lines(model)
    return "\n".join(lines)


def holder_lines(model: StanceModel) -> list[str]:
    """Return how well holders are told on the documents held out, given the label, beside the baselines."""
    found = model.about.get("holders", {}).get("held_out")
    if not found:
        return []
    lines = ["", f"holders, given the label ({found['n']} held-out sentences; micro-F1 over sentence, actor, position)"]
    for name in ("holders", "always speaker", "nearest actor"):
        figure = {"value": found[name]["f1"], **found[name]}
        lines += [f"  {name:<32}{_cell(figure):>22}"]
    return lines


def _figure_lines(found: dict[str, Any]) -> list[str]:
    """Return the overall figures, a line each."""
    return [f"  {key:<32}{_cell(figure):>22}" for key, figure in headline(found).items()]


def _cell(found: dict[str, float | None]) -> str:
    if found["value"] is None:
        return "-"
    return f"{found['value']:.3f}" + ("" if found["low"] is None else f" [{found['low']:.3f}, {found['high']:.3f}]")
