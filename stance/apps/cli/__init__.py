"""The command ``stance``: thin functions over the library, which is imported inside the commands only."""

from __future__ import annotations

import errno
import os
import sys

import click

from stance import __version__
from stance.apps.cli.aggregate import aggregate
from stance.apps.cli.blocs import blocs
from stance.apps.cli.cascade import cascade
from stance.apps.cli.check import check
from stance.apps.cli.evaluate import evaluate
from stance.apps.cli.finetune import finetune
from stance.apps.cli.info import info
from stance.apps.cli.plot import plot
from stance.apps.cli.predict import predict
from stance.apps.cli.train import train
from stance.errors import StanceError

__all__ = ["main", "stance"]


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class _Commands(click.Group):
    def invoke(self, context: click.Context) -> object:
        """Run a command; a reader that has seen enough of its output (``| head``) is no error."""
        try:
            return super().invoke(context)
        except BrokenPipeError:
            _close_output()
            context.exit(0)


def _close_output() -> None:
    """Send what is left in the buffer nowhere, lest the interpreter try to write it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


for command in (predict, aggregate, plot, blocs, train, finetune, cascade, evaluate, check, info):
    stance.add_command(command)


def main() -> None:
    """Run the command line: errors a user can mend are one line and exit code 1."""
    try:
        stance()
    except StanceError as error:
        click.echo(f"stance: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _close_output()
        click.echo(f"stance: cannot write: {error.strerror}", err=True)
        sys.exit(1)
