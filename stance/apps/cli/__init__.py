"""The command ``stance``: thin functions over the library, which is imported inside the commands only."""

from __future__ import annotations

import sys

import click

from stance import __version__
from stance.apps.cli.check import check
from stance.apps.cli.evaluate import evaluate
from stance.apps.cli.info import info
from stance.apps.cli.predict import predict
from stance.apps.cli.train import train
from stance.errors import StanceError

__all__ = ["main", "stance"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, package_name="stance-bloc", prog_name="stance")
def stance() -> None:
    """Say which position on a target each sentence of a text reflects, and how sure that is.

    The shipped model knows the Afghan Taliban: are they a political actor to be dealt with (engage), terrorists or an
    enemy (terrorist), both, or neither (none)? Other models are trained on corpora of your own.

    \b
    Examples:
      stance predict article.txt
      stance predict speeches/ --format csv -o labelled.csv
      stance train corpus.csv --none-label NONE -o model
    """


for command in (predict, train, evaluate, check, info):
    stance.add_command(command)


def main() -> None:
    """Run the command line: errors a user can mend are one line and exit code 1; a broken pipe is silent."""
    try:
        stance()
    except StanceError as error:
        click.echo(f"stance: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # what is left in the buffer has nowhere to go: keep the interpreter from trying at exit
        sys.stdout = None  # type: ignore[assignment]
        sys.exit(0)
