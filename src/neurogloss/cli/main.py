"""`neurogloss COMMAND ...`: parses flags, chooses the command, and turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import difflib
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from neurogloss.errors import NeuroglossError, UsageError

INTERRUPTED = 130

COMMANDS = {
    "run": "collect, explain, simulate, score, report",
    "collect": "activations alone",
    "estimate": "calls, tokens, dollars and hours of a run, before it spends any",
    "benchmark": "explainers x simulators x judges on the same units: a leaderboard",
    "leaderboard": "compare runs that are in the store: a leaderboard",
    "report": "write a run's report again: one self-contained HTML file",
    "runs": "list runs and the space they take, or delete one",
    "plugins": "what is installed, and what is wrong with it",
    "doctor": "check this installation",
    "version": "print the version",
}
_CONFIGURED = ("run", "collect", "estimate", "benchmark", "leaderboard", "report", "runs", "doctor")
"""Commands that take overrides of the configuration."""

_RUNS = ("RUN", "the id of a run, its first letters, or latest; store=OPTION and store.KEY=VALUE say where they are")
"""What `leaderboard` is given."""

_UNITS = (
    ("--sample", 5, "count the tokens of this many units"),
    ("--pilot", 0, "run this many units before, as the beginning of the run, to narrow the estimate"),
    ("--units-total", None, "estimate for this many units that are like the chosen ones"),
)
"""The flags of `estimate` that count units."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit code: 0 done, 1 finished with failed units or a fault of the program, 2 wrong
        configuration or usage, 3 budget reached, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except NeuroglossError as error:
        return _told(error, error.exit_code, arguments)
    except KeyboardInterrupt:
        print("\nInterrupted. What was committed is kept; the same command goes on from there.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        sys.stderr.close()
        return 0
    except Exception as error:
        known = "This is a fault of the program or of a plugin. With --debug it is shown in full."
        return _told(NeuroglossError(f"{type(error).__name__}: {error}", known=known), 1, arguments)


def _told(error: NeuroglossError, exit_code: int, arguments: Sequence[str]) -> int:
    from neurogloss.config.secrets import redacted

    if "--debug" in arguments:
        print(redacted(traceback.format_exc()), end="", file=sys.stderr)
    print("neurogloss: " + "\n  ".join(redacted(str(error)).splitlines()), file=sys.stderr)
    return exit_code


def _dispatch(arguments: list[str]) -> int:
    parser = _parser()
    if not arguments:
        parser.print_help()
        return 0
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    if command and command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, n=1)
        raise UsageError(
            f"There is no command {command!r}.",
            known=f"The commands are {', '.join(COMMANDS)}.",
            remedy=f"Did you mean {near[0]}?" if near else "See neurogloss --help.",
        )
    if command in ("run", "collect") and {"-h", "--help"} & set(arguments):
        from neurogloss.cli.run_help import print_help

        return print_help(command)
    options, rest = parser.parse_known_args(arguments)
    if options.version:
        return _version(as_json=False)
    if not options.command:
        raise UsageError("No command was given.", remedy="See neurogloss --help.")
    flags = [argument for argument in rest if argument.startswith("-")]
    if flags or (rest and options.command not in _CONFIGURED):
        raise UsageError(
            f"{options.command} does not know {' '.join(flags or rest)}.",
            remedy=f"See neurogloss {options.command} --help.",
        )
    if options.command in _CONFIGURED:
        options.overrides = [*options.overrides, *rest]
    return _run_command(options)


def _run_command(options: argparse.Namespace) -> int:
    match options.command:
        case "run" | "collect":
            from neurogloss.cli.running import run_command

            return run_command(options)
        case "estimate":
            from neurogloss.cli.estimate import estimate_command

            return estimate_command(options)
        case "benchmark":
            from neurogloss.cli.benchmark import benchmark_command

            return benchmark_command(options)
        case "leaderboard":
            from neurogloss.cli.benchmark import leaderboard_command

            return leaderboard_command(options)
        case "report":
            from neurogloss.cli.results import report_command

            return report_command(options)
        case "runs":
            from neurogloss.cli.results import runs_command

            return runs_command(options)
        case "plugins":
            from neurogloss.cli.plugins import list_plugins

            return list_plugins(options.kind, options.json)
        case "doctor":
            from neurogloss.cli.doctor import doctor_command

            return doctor_command(options)
        case _:
            return _version(options.json)


def _version(as_json: bool) -> int:
    from neurogloss import __version__

    print(f'{{"version": "{__version__}"}}' if as_json else f"neurogloss {__version__}")
    return 0


class _Parser(argparse.ArgumentParser):
    """Wrong usage is one message, like every other error."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", remedy=f"See {self.prog} --help.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="neurogloss",
        description="Explains the units inside language models in words, and tests every explanation by simulation.",
        epilog="Overrides are KEY=VALUE and GROUP=OPTION; neurogloss run --help lists the groups and their options.",
    )
    parser.add_argument("--version", action="store_true", help=COMMANDS["version"])
    common = _Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    common.add_argument("--quiet", action="store_true", help="show no progress")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    made = {
        name: commands.add_parser(name, help=summary, description=summary, parents=[common])
        for name, summary in COMMANDS.items()
    }
    made["report"].add_argument("run", nargs="?", metavar="RUN", help="the id of a run, its first letters, or latest")
    made["report"].add_argument("--output", metavar="FILE", help="where to write it; by default into the store")
    for name in _CONFIGURED:
        positional, what = _RUNS if name == "leaderboard" else ("OVERRIDE", "KEY=VALUE or GROUP=OPTION")
        made[name].add_argument("overrides", nargs="*", metavar=positional, help=what)
        made[name].add_argument(
            "--config-dir", action="append", default=[], metavar="DIR", help="a folder with groups of your own"
        )
    for name in ("run", "collect"):
        made[name].add_argument("-m", "--multirun", action="store_true", help="run once for each combination of values")
        made[name].add_argument("--cfg", choices=["job"], help="print the composed configuration and stop")
    for flag, default, counted in _UNITS:
        made["estimate"].add_argument(flag, type=int, default=default, metavar="N", help=counted)
    made["estimate"].add_argument("--scale", metavar="FILE", help="scale up to the models and machines of a YAML file")
    for name in ("benchmark", "leaderboard"):
        made[name].add_argument("--against", default="", metavar="EXPLAINER", help="test the others against this row")
        made[name].add_argument("--output", metavar="DIR", help="where the files go; by default into the store")
    made["benchmark"].epilog = (
        "benchmark=OPTION chooses the axes, benchmark.KEY=VALUE changes them; all other overrides go to every run. "
        "See docs/benchmarking.md."
    )
    made["benchmark"].add_argument("--plan", action="store_true", help="list the runs and stop")
    made["runs"].add_argument("--delete", metavar="RUN", help="forget the explanations and scores of a run")
    made["plugins"].add_argument("--kind", help="of this kind only")
    return parser
