"""The command line: finds the command, runs it, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, cast

from signedmsg.cli.output import forgive_encodings, report
from signedmsg.cli.problems import INTERRUPTED, USAGE, CommandError, explain
from signedmsg.errors import SignedMessageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# command -> its module here, which is loaded only when it is used, and its line in --help.
COMMANDS: Final = {
    "demo": ("demo", "see signed messages sent, verified and handled, and attacks refused"),
    "keygen": ("keygen", "make a private key"),
    "jwks": ("jwks", "write the key directory document of public keys"),
    "keys": ("keys", "rotate signing keys: a key ring, its stages, and its directory document"),
    "sign": ("sign", "sign one message and print its token"),
    "verify": ("verify", "verify one token and print its message"),
    "receipt": ("receipt", "verify a receipt that was kept: what a receiver signed about a message"),
    "inspect": ("unverified", "look into a token without verifying it"),
    "explain": ("why", "say step by step why a token or a call is refused"),
    "send": ("send", "sign and send one message, or a file of them"),
    "serve": ("serve", "receive messages and print them: a development server"),
    "work": ("work", "run the handlers of queued messages"),
    "store": ("store", "make, look into and mend the tables of an inbox"),
}
_EPILOG: Final = """\
start here:
  signedmsg demo
  signedmsg keygen --help

exit codes: 0 done, 1 refused or not delivered, 2 wrong usage or configuration, 3 undecided: try later
"""


class Command(Protocol):
    """What a command's module has."""

    EXAMPLES: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's options."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it, and return the exit code."""
        ...


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        report(CommandError(message, hint=f"{self.prog} --help shows how it is used, with examples"))
        raise SystemExit(USAGE)


class _Version(argparse.Action):
    """Look the version up only when asked for: reading the metadata takes a while."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"signedmsg {version('signedmsg')}")
        except PackageNotFoundError:
            print("signedmsg, not installed")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    forgive_encodings()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parser(words[0] if words else "").parse_args(words or ["--help"])
        return _load(arguments.command).run(arguments)
    except SystemExit as done:
        # argparse ends --help, --version and wrong usage so.
        return done.code if isinstance(done.code, int) else USAGE
    except CommandError as error:
        return report(error)
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); the flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except (SignedMessageError, OSError) as error:
        return report(explain(error))
    except KeyboardInterrupt:
        return INTERRUPTED


def _load(name: str) -> Command:
    return cast("Command", importlib.import_module(f"signedmsg.cli.{COMMANDS[name][0]}"))


def _parser(chosen: str) -> argparse.ArgumentParser:
    """Return the parser; of the commands only the chosen one has its options."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = _Parser("signedmsg", description="Signed messages between servers.", epilog=_EPILOG)
    parser.formatter_class = shape
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        description = summary[0].upper() + summary[1:] + "."
        one = commands.add_parser(name, help=summary, description=description, formatter_class=shape)
        if name == chosen:
            command = _load(name)
            one.epilog = command.EXAMPLES
            command.configure(one)
    return parser
