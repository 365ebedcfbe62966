"""``stance finetune``: train a sentence encoder and the classifier around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from stance.apps.cli.options import codebook_options, corpus_of, corpus_options, jobs_option, seed_option
from stance.apps.cli.train import codebook_of

__all__ = ["finetune"]


@click.command()
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the model.")
@click.option("--force", is_flag=True, help="Replace a model that is there.")
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for checkpoints; the same command goes on from there after an interruption.",
)
@click.option("--base", default="minilm", show_default=True, metavar="NAME|PATH", help="Encoder to start from.")
@click.option("--layers", type=click.IntRange(0), default=0, help="Keep only so many of its layers.  [default: all]")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), help="How often it sees each row.  [default: 3]")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Learning rate.  [default: 5e-5]")
@click.option("--teacher", default="", metavar="NAME|PATH", help="Larger encoder to learn from, such as mpnet.")
@click.option("--teacher-epochs", type=click.FloatRange(0, min_open=True), help="The same of teachers.  [default: 2]")
@click.option(
    "--unlabelled",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Files or folders whose sentences the teacher labels for the encoder.",
)
@click.option("--unlabelled-sentences", type=click.IntRange(1), default=10_000, show_default=True, help="How many.")
@corpus_options
@codebook_options
@seed_option("Decides order, dropout, and which documents are kept for calibration.")
@jobs_option
def finetune(corpora: tuple[str, ...], output: Path, **options: Any) -> None:
    """Train a sentence encoder on a corpus of one target, and the classifier of n-grams and encoder.

    Takes half an hour to some hours, and the extra 'finetune'. To train on a corpus of your own with the shipped
    encoder as it is, which takes seconds, see 'stance train --features both'.

    \b
    Examples:
      stance finetune data/corpus --codebook data/codebook.toml --work work -o my-model
      stance finetune data/corpus --codebook data/codebook.toml --teacher mpnet --work work -o my-model
    """
    from stance.model.finetune import Recipe
    from stance.model.finetune import finetune as train_encoder
    from stance.model.printed import render_finetuning
    from stance.model.saving import check_writable, save_model

    check_writable(output, force=options["force"])
    book = codebook_of(options)
    corpus = corpus_of(corpora, options)
    if options["unlabelled"] and not options["teacher"]:
        raise click.UsageError("--unlabelled sentences are labelled by a teacher; name one with --teacher")
    usual = Recipe()
    given = {name: options[name] for name in ("epochs", "rate") if options[name]}
    of_teacher = {"epochs": options["teacher_epochs"]} if options["teacher_epochs"] else {}
    recipe = Recipe(
        base=options["base"],
        teacher=options["teacher"],
        layers=options["layers"],
        plan=replace(usual.plan, **given),
        teacher_plan=replace(usual.teacher_plan, **of_teacher),
    )
    model = train_encoder(
        corpus,
        codebook=book,
        none_label=options["none_label"],
        recipe=recipe,
        unlabelled=_sentences(options["unlabelled"], options["unlabelled_sentences"], options["seed"]),
        name=output.name,
        work=options["work"],
        seed=options["seed"],
        jobs=options["jobs"],
        progress=_show,
    )
    saved = save_model(model, output, force=options["force"])
    click.echo(render_finetuning(saved))
    click.echo(f"saved to {output}")


def _sentences(paths: tuple[Path, ...], most: int, seed: int) -> tuple[list[str], list[str]]:
    """Return sentences of unlabelled documents with the one before each, chosen at random."""
    if not paths:
        return [], []
    from stance.model.finetune import sentences_for_teaching
    from stance.text.readers import read_documents
    from stance.text.sentences import split_sentences

    texts, contexts = [], []
    for passage in read_documents(list(paths)):
        before = ""
        for start, end in split_sentences(passage.text):
            texts.append(passage.text[start:end])
            contexts.append(before)
            before = texts[-1]
    return sentences_for_teaching(texts, contexts, most, seed)


def _show(stage: str, done: int, total: int, loss: float) -> None:
    """Print a line every fifty steps: such a training runs in the background, and a log is what is left of it."""
    if done % 50 == 0 or done == total:
        click.echo(f"{stage}: step {done} of {total}, loss {loss:.3f}", err=True)
