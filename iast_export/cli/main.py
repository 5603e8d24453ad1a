"""The program: its verbs, and the only place that turns errors into exit codes."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module

import click

from iast_export import __version__
from iast_export.cli import mishaps, streams
from iast_export.cli.stages import STAGES
from iast_export.cli.verbs import Verbs
from iast_export.errors import IastExportError

EXIT_CODES = """\b
Exit codes: 0 pass, 1 a bug of ours, 2 usage or recipe, 3 input or artifact missing,
unreadable or altered, 4 a wrapped tool failed, 5 accuracy below the rule, 6 slower or
larger than the rule, 7 cannot judge."""
SECTIONS = {
    "Before a build": ("doctor", "check", "plan"),
    "The pipeline": ("build", *STAGES),
    "A closer look": ("ladder", "golden", "lanes", "depths", "search"),
    "Judge": ("gate", "compare", "evaluate", "merge", "report", "sign"),
    "Use": ("inspect", "stylize", "studio", "style", "device"),
    "The shell": ("completion",),
}


def _load(name: str) -> click.Command:
    """A verb, from the file of its name; the stages without more to them share one."""
    shared = name in STAGES and name != "verify"
    module = import_module(f"iast_export.cli.{'stages' if shared else name}")
    command = module.command(name) if shared else getattr(module, name)
    assert isinstance(command, click.Command)
    return command


@click.group(
    cls=Verbs,
    sections=SECTIONS,
    load=_load,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="iast-export")
def app() -> None:
    """From a trained style-transfer network to a verified mobile bundle: ONNX and TFLite, INT8,
    subnetworks chosen by resolution, measured against FP32.

    \b
    Example:
      iast-export build --out dist/demo
      iast-export stylize dist/demo --content photo.jpg --style cafe --out pictures
    """


def main() -> None:
    """As `iast-export`, in a process of its own: `__main__` calls it."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code; only a bug of ours raises."""
    code = _outcome(arguments)
    lost = streams.finish()
    if lost is None or code:
        return code
    return _told(mishaps.of_output(lost))


def _outcome(arguments: list[str]) -> int:
    try:
        result = _invoked(arguments)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        streams.explain(error.ctx.get_help())
        return 2
    except click.ClickException as error:
        return _told_of_usage(error)
    except (click.Abort, KeyboardInterrupt):
        return _stopped()
    except SystemExit as error:
        return _told(mishaps.of_exit(error))
    except Exception as error:
        if isinstance(error, BrokenPipeError) and streams.is_unread():
            return 0
        known = mishaps.known(error)
        if known is None:
            raise
        return _told(known)
    return result if isinstance(result, int) else 0


def _invoked(arguments: list[str]) -> object:
    """Parses and runs; unlike `app.main`, it turns no broken pipe into an exit code of its own."""
    if "_IAST_EXPORT_COMPLETE" in os.environ:  # the shell asks for completions
        return app.main(arguments, prog_name="iast-export", standalone_mode=False)
    with app.make_context("iast-export", arguments) as context:
        return app.invoke(context)


def _told(error: IastExportError) -> int:
    streams.complain(str(error))
    return error.exit_code


def _told_of_usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    if context is not None:
        streams.explain(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n")
    streams.complain(error.format_message())
    return 2


def _stopped() -> int:
    streams.explain("stopped; what is finished stays, and the next run goes on from there")
    streams.finish()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    return 130  # where the signal is blocked


if __name__ == "__main__":
    main()
