"""The card of a model: what it was trained on, how good it is, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stance.model.artifact import StanceModel

__all__ = ["MUCH_SEEN", "TOO_GOOD", "headline", "render_card"]

_NAMES = {
    "macro_f1_positions": "macro-F1 over positions (mean F1 of the positions' yes-answers)",
    "macro_f1_labels": "macro-F1 over labels",
    "favg_pooled": "Favg (mean F1 of the two positions), all rows pooled",
    "favg_mean_over_targets": "Favg, mean over targets",
    "accuracy": "accuracy",
}

_SEEN = {
    "ngrams": "word and character n-grams, mentions of the target and the sentence before",
    "encoder": "the vector that a sentence encoder makes of the sentence, with the target signed, and the one before",
    "both": "word and character n-grams, mentions of the target and the sentence before, and the vector that a "
    "sentence encoder makes of them",
}
_WEAK = {
    False: "- The model counts words. Irony, rhetorical questions, positions told without the usual words escape it.",
    True: "- Irony, and positions on a target that is named further back than the sentence before, often escape it.",
}
MUCH_SEEN = 0.01
TOO_GOOD = "figures out of fold are too good, and probabilities and thresholds too sure"
_SECTIONS = {
    "cross_validation": "Cross-validation on the training documents",
    "calibration_documents": "Out of fold on the documents kept for calibration",
    "held_out": "Held-out documents",
}


def headline(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overall figures of `stance.model.metrics.measure` by name, those of Favg one by one.

    Examples
    --------
    >>> headline({"accuracy": {"value": 0.5}, "favg": {"pooled": {"value": 0.4}}, "n": 2})
    {'favg_pooled': {'value': 0.4}, 'accuracy': {'value': 0.5}}
    """
    flat = {**found, **{f"favg_{how}": figure for how, figure in found.get("favg", {}).items()}}
    return {name: flat[name] for name in _NAMES if name in flat}


def render_card(model: StanceModel) -> str:
    """Return the card as Markdown."""
    about = model.about
    of_cascade = "first" in about.get("cascade", {})
    parts = [f"# {model.codebook.name}", "", *_use(model), "", *(_cascade(about) if of_cascade else _data(model))]
    for key, title in _SECTIONS.items():
        if about.get(key) and not (of_cascade and key != "held_out"):
            parts += ["", f"## {title}", "", *_results(about[key])]
    parts += _holders(model) + _gate(model)
    parts += ["", *_decisions(model), "", *_limits(model)]
    return "\n".join(parts) + "\n"


def _use(model: StanceModel) -> list[str]:
    book = model.codebook
    how = "exactly one label" if book.exclusive else "any set of positions"
    lines = [
        "A classifier of sentences by the position on a target that they reflect. It sees "
        f"{_SEEN[_features(model)]}; logistic regression, calibrated probabilities. A sentence has {how}: "
        f"{', '.join(model.labels)}.",
    ]
    lines += [
        "",
        *(f"- **{p.name}**: {' '.join(p.definition.split())}" for p in book.positions if p.definition),
    ]
    named = [t for t in model.targets if t] or [t.name for t in book.targets]
    return [*lines, *(["", f"Targets: {', '.join(named)}."] if named else [])]


def _features(model: StanceModel) -> str:
    scorer = next(iter(model.scorers.values()))
    if scorer.encoder is None:
        return "ngrams"
    return "both" if len(scorer.features.idf) else "encoder"


def _encoder(about: Mapping[str, Any]) -> list[str]:
    """Return what is known of the encoder: of one that was trained with the model, or of one that was taken over."""
    found = about.get("encoder", {})
    if "of" in found:
        seen = f", which was trained on {found['seen']:.0%} of these sentences: {TOO_GOOD}"
        seen = seen if found["seen"] > MUCH_SEEN else ""
        return [f"- encoder of the model {found['of']} (from {found['base']}), as it is{seen}"]
    if "recipe" not in found:
        return []
    recipe, quantised = found["recipe"], found["quantised"]
    layers = f"{recipe['layers']} layers of " if recipe["layers"] else ""
    taught = f", taught by {recipe['parts']} x {recipe['teacher']} and {found['unlabelled']} unlabelled sentences"
    return [
        f"- encoder: {layers}{found['base']}, trained for {recipe['plan']['epochs']:g} epochs on {found['sentences']} "
        f"sentences of {found['documents']} documents{taught if recipe['teacher'] else ''}",
        f"- weights in 8 bits, {quantised['megabytes']:.1f} MB: {quantised['same_decisions']:.2%} of its own answers "
        f"as in 32 bits, a probability changed by {quantised['largest_change_of_probability']:.3f} at most",
    ]


def _data(model: StanceModel) -> list[str]:
    about = model.about
    if "corpus" not in about:  # of a model out of a pickle, or made by hand, only the codebook is known
        return ["## Training", "", f"- not recorded; codebook {model.codebook.fingerprint[:16]}"]
    corpus = about["corpus"]
    labels = ", ".join(f"{n} {label}" for label, n in corpus["labels"].items())
    lines = [
        "## Training",
        "",
        f"- {corpus['n']} sentences of {corpus['n_documents']} documents: {labels}",
        f"- corpus {corpus['fingerprint'][:16]}, codebook {model.codebook.fingerprint[:16]}, seed {about['seed']}",
        f"- stance {about['version']}, " + ", ".join(f"{name} {v}" for name, v in about["libraries"].items()),
    ]
    lines += _encoder(about)
    for target in about["targets"]:
        of = f" of {target['target']}" if target["target"] else ""
        tried = ", ".join(f"{c}: {loss:.3f}" for c, loss in target["chosen"]["log_loss"].items())
        lines.append(
            f"- strength of regularisation{of}: C = {target['chosen']['C']:g} "
            f"(log loss out of fold of {tried or 'no fold'})"
        )
    return lines


def _cascade(about: Mapping[str, Any]) -> list[str]:
    """Return what a cascade is made of, and how often it asks the slow model."""
    cascade = about["cascade"]
    low, high = cascade["band"]
    lines = [
        "## Cascade",
        "",
        f"- {cascade['first']} reads every sentence; {cascade['then']} decides where a position's probability is from "
        f"{low:g} to {high:g}",
        f"- the band was chosen when {cascade['then']} was trained, on documents kept for calibration and with its own "
        f"n-grams as the first: {cascade['share']:.1%} were encoded there, macro-F1 was {cascade['macro_f1']:.3f} less "
        f"{cascade['lost']:.4f}",
    ]
    if encoded := (about.get("held_out") or {}).get("encoded"):
        lines.append(f"- of the held-out sentences below {encoded:.1%} were encoded")
    return [*lines, "- errors for sums, and the curve for abstaining, are those of the slow model"]


def _results(found: dict[str, Any]) -> list[str]:
    lines = [
        f"{found['n']} sentences of {found['n_documents']} documents; 95 % intervals by bootstrap over documents.",
        "",
    ]
    baselines = {name: headline(figures) for name, figures in found.get("baselines", {}).items()}
    lines += [
        f"| figure | this model |{''.join(f' {name} |' for name in baselines)}",
        f"| --- | --- |{' --- |' * len(baselines)}",
    ]
    for key, figure in headline(found).items():
        row = [_figure(figure), *(_figure(b.get(key)) for b in baselines.values())]
        lines.append(f"| {_NAMES[key]} | {' | '.join(row)} |")
    lines += [
        "",
        "| position | precision | recall | F1 | average precision | sentences |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, p in found["positions"].items():
        cells = (_figure(p[key]) for key in ("precision", "recall", "f1", "average_precision"))
        lines.append(f"| {name} | {' | '.join(cells)} | {p['support']} |")
    c = found.get("calibration")
    if c:
        lines += [
            "",
            f"Calibration: ECE {_figure(c['ece_equal_width'])}, Brier (sum over labels, 0 to 2) "
            f"{_figure(c['brier_sum_0_2'])}, log loss {_figure(c['log_loss_nats'])} nats.",
        ]
    return lines


def _holders(model: StanceModel) -> list[str]:
    """Return how well it is told whose position it is, beside two baselines."""
    about = model.about.get("holders", {})
    if "of" in about:
        return ["", "## Holders", "", f"- as the model {about['of']} tells them"]
    found = about.get("held_out")
    if not found:
        return []
    lines = [
        *("", "## Holders", ""),
        f"Learned from {about['n']} sentences; measured on {found['n']} held-out ones, given the label: micro-F1 "
        "over sentence, actor and position.",
        *("", "| | F1 | precision | recall |", "| --- | --- | --- | --- |"),
    ]
    for name in ("holders", "always speaker", "nearest actor"):
        f = found[name]
        lines.append(
            f"| {name} | {f['f1']:.3f} [{f['low']:.3f}, {f['high']:.3f}] | {f['precision']:.3f} | {f['recall']:.3f} |"
        )
    return [*lines, "", f"Of the actors sought {found['reachable']:.0%} are named in the sentence or the one before."]


def _gate(model: StanceModel) -> list[str]:
    """Return what the gates lose, and when n-grams alone would do."""
    lines = []
    if facts := model.about.get("gate"):
        lines += [
            *("", "## Relevance", ""),
            f"A sentence that is farther than {facts['reach']} sentences behind every name of the target (gate named), "
            f"or word of its topics, too (gate topic), need not be classified. Default: {facts['default']}.",
            *(
                "",
                "| gate | positions kept | on held-out documents | sentences let through |",
                "| --- | --- | --- | --- |",
            ),
        ]
        for opens, found in facts.items():
            if isinstance(found, dict):
                kept = (_figure(found.get(key)) for key in ("recall", "recall_held_out"))
                lines.append(f"| {opens} | {' | '.join(kept)} | {found['passed']:.3f} |")
    cascade = model.about.get("cascade")
    if cascade and "first" not in cascade:
        low, high = cascade["band"]
        lines += [
            "",
            "In a cascade, only sentences with a position that n-grams give a probability from "
            f"{low:g} to {high:g} are encoded: {cascade['share']:.0%} of those kept for calibration, at "
            f"{cascade['lost']:.4f} of macro-F1.",
        ]
    return lines


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        if value.get("value") is None:
            return "-"
        return f"{value['value']:.3f}" + (
            "" if value.get("low") is None else f" [{value['low']:.3f}, {value['high']:.3f}]"
        )
    return "-" if value is None else f"{value:.3f}"


def _decisions(model: StanceModel) -> list[str]:
    lines = ["## Decisions", ""]
    for target, scorer in model.scorers.items():
        of = f" ({target})" if target else ""
        what = "added to the log-probability of" if scorer.codebook.exclusive else "probability from which on to say"
        lines.append(
            f"- {what}{of}: " + ", ".join(f"{n} {t:g}" for n, t in zip(scorer.scores, scorer.thresholds, strict=True))
        )
    lines.append(
        "- these were chosen for macro-F1 on sentences that the scores had not been fitted on; from there, too, comes "
        "the curve of risk and coverage for abstaining"
    )
    return lines


def _limits(model: StanceModel) -> list[str]:
    return [
        "## Limits",
        "",
        "- A label says which position a sentence reflects, reports or attributes to somebody. It is no verdict on a "
        "person,",
        "  and no evidence of support for violence.",
        _WEAK[_features(model) != "ngrams"],
        "- It knows English only, and the genres and period of its training documents.",
        "- Probabilities are calibrated for documents like the training ones; where positions are rarer or more "
        "frequent, look",
        "  at a sample before you trust a share.",
    ]
