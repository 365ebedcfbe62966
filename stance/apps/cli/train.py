"""``stance train``: train a classifier on an annotated corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stance.apps.cli.options import (
    codebook_options,
    corpus_of,
    corpus_options,
    jobs_option,
    progress_bar,
    seed_option,
)
from stance.shipped import DEFAULT_MODEL

__all__ = ["codebook_of", "train"]


@click.command()
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the model.")
@click.option("--force", is_flag=True, help="Replace a model that is there.")
@corpus_options
@codebook_options
@click.option(
    "--features",
    type=click.Choice(["ngrams", "encoder", "both"]),
    default="both",
    show_default=True,
    help="What the classifier sees: n-grams, the vectors of a sentence encoder, or both.",
)
@click.option(
    "--encoder",
    default=DEFAULT_MODEL,
    show_default=True,
    metavar="NAME|PATH",
    help="Model whose encoder is used as it is.",
)
@seed_option("Decides which document is in which fold.")
@jobs_option
@click.option(
    "--joblib",
    "pickle",
    type=click.Path(path_type=Path),
    help="Also write the fitted scikit-learn object there.",
)
def train(corpora: tuple[str, ...], output: Path, **options: Any) -> None:
    """Train a classifier on csv, tsv, jsonl, json or parquet files, or folders of them.

    Exports of doccano, Label Studio, Prodigy and Argilla are read as they are. Rows whose column 'split' says 'test'
    are not trained on, but reported on. Without --codebook the labels found are positions that exclude each other, and
    --none-label says which of them is none. Give data/codebook.toml for the Taliban's positions.

    \b
    Examples:
      stance train tweets.csv --text-column Tweet --label-column Stance --target-column Target --none-label NONE -o mine
      stance train data/corpus --codebook data/codebook.toml -o models/mine
    """
    from stance.apps.cli.output import check_file
    from stance.model.pickled import save_pickle
    from stance.model.printed import render_training
    from stance.model.saving import check_writable, save_model
    from stance.model.training import train as train_model

    check_writable(output, force=options["force"])
    if options["pickle"] is not None:
        check_file(options["pickle"])
    book = codebook_of(options)
    corpus = corpus_of(corpora, options)
    show, end = progress_bar("training")
    try:
        trained = train_model(
            corpus,
            codebook=book,
            none_label=options["none_label"],
            features=options["features"],
            encoder_of=options["encoder"],
            name=output.name,
            seed=options["seed"],
            jobs=options["jobs"],
            progress=show,
        )
    finally:
        end()
    saved = save_model(trained.model, output, force=options["force"])
    if options["pickle"] is not None:
        save_pickle(trained.classifiers, options["pickle"])
    click.echo(render_training(saved))
    click.echo(f"saved to {output}")


def codebook_of(options: dict[str, Any]) -> Any:
    """Return the codebook that the options name, or None."""
    from stance.codebook import load_codebook

    if options["codebook"] is None:
        return None
    if options["none_label"]:
        raise click.UsageError("--none-label is for corpora without a codebook; the codebook says which label is none")
    return load_codebook(options["codebook"])
