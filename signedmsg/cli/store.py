"""`signedmsg store`: make the tables of a store, look into an inbox, and mend it."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from signedmsg.cli.output import note, printable, show
from signedmsg.cli.problems import OK, REFUSED, CommandError, configuring

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator
    from types import ModuleType

    from signedmsg._flows.inbox_ports import QueuedInbox

EXAMPLES: Final = """\
examples:
  signedmsg store init shop.db
  signedmsg store init postgresql://shop@db.example/shop
  signedmsg store sql                                          the tables of PostgreSQL, for your own migrations
  signedmsg store status shop.db
  signedmsg store dead shop.db --limit 20
  signedmsg store redrive shop.db https://billing.example 019ab0f2-7c3e-7d11-9b55-3f0a6d2e8c41
  signedmsg store forget shop.db https://billing.example 019ab0f2-7c3e-7d11-9b55-3f0a6d2e8c41
STORE is a SQLite file or a postgresql:// URL; without it $SIGNEDMSG_STORE is used, so that no password stands on a
command line. `init` is safe to repeat; it also brings tables of an earlier version up to date.
"""
_VARIABLE: Final = "SIGNEDMSG_STORE"
# URLs of other kinds, SQLAlchemy's for one, and the other form of libpq's connection strings.
_LIKE_A_DATABASE: Final = re.compile(r"[a-z0-9+.-]+://|\s*[a-z_]+\s*=", re.ASCII)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in {
        "init": "make the tables, or bring them up to date",
        "sql": "print the SQL that init would run on PostgreSQL",
        "status": "show how many queued messages of an inbox wait, run and are dead",
        "dead": "list messages that workers gave up",
        "redrive": "queue a dead message again",
        "forget": "remove the record of a message that was handled or rejected: it can run again",
    }.items():
        action = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        action.add_argument("--schema", default="public", metavar="NAME", help="of PostgreSQL (default %(default)s)")
        if name == "sql":
            continue
        action.add_argument("store", nargs="?", metavar="STORE", help=f"a file or a postgresql:// URL (${_VARIABLE})")
        if name != "init":
            action.add_argument("--inbox", default="default", metavar="NAME", help="which inbox (default %(default)s)")
        if name == "dead":
            action.add_argument("--limit", type=int, default=100, metavar="N", help="at most (default %(default)s)")
        if name in ("redrive", "forget"):
            action.add_argument("issuer", metavar="ISSUER", help="who signed the message")
            action.add_argument("message", metavar="ID", help="the message's id")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    if arguments.action == "sql":
        with configuring("--schema"):
            show(_postgres().ddl(arguments.schema))
        return OK
    store = _store(arguments)
    return _ACTIONS[arguments.action](store, arguments)


def _store(arguments: argparse.Namespace) -> str:
    store: str | None = arguments.store or os.environ.get(_VARIABLE)
    if not store:
        raise CommandError("STORE: name a SQLite file or a postgresql:// URL", hint=f"or set {_VARIABLE}")
    if _is_postgres(store):
        _check_url(store)
    elif _LIKE_A_DATABASE.match(store):
        # It would become the name of a file, with whatever password is in it.
        raise CommandError("STORE: expected a SQLite file or a postgresql:// URL")
    return store


def _check_url(store: str) -> None:
    _postgres()
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        wrong = "@" in str(conninfo_to_dict(store).get("host", ""))
    except ProgrammingError:
        # Not passed on: it quotes what it cannot read, which is mostly the password.
        wrong = True
    if wrong:
        raise CommandError(
            "STORE: this is no postgresql:// URL",
            hint="in a password write @ as %40, / as %2F, % as %25, a space as %20",
        )


def _is_postgres(store: str) -> bool:
    return store.startswith(("postgresql://", "postgres://"))


def _postgres() -> ModuleType:
    try:
        from signedmsg.stores import postgres
    except ImportError as error:
        what = f"there is no {error.name}" if isinstance(error, ModuleNotFoundError) else str(error)
        raise CommandError(f"PostgreSQL: {what}", hint="pip install 'signedmsg[postgres]'") from error
    return postgres


@contextmanager
def _opened(store: str, arguments: argparse.Namespace) -> Generator[QueuedInbox]:
    if _is_postgres(store):
        postgres = _postgres()
        from psycopg_pool import ConnectionPool

        with configuring(), ConnectionPool(store, min_size=1, max_size=1, open=True) as pool:
            yield cast("QueuedInbox", postgres.PostgresInbox(pool, arguments.inbox, schema=arguments.schema))
        return
    from signedmsg.stores.sqlite_inbox import SQLiteInbox, status

    _check_file(store)
    with configuring():
        version = status(store).version
    if not version:
        # Nor may it change one that is somebody else's: to open an inbox makes its tables.
        raise CommandError(f"{store}: it has no tables of signedmsg", hint="signedmsg store init makes them")
    with configuring(), SQLiteInbox(store, arguments.inbox) as inbox:
        yield cast("QueuedInbox", inbox)


def _check_file(store: str) -> None:
    # To look must not make a file, least of all one with a mistyped name.
    if not os.path.isfile(store):  # noqa: PTH113
        raise CommandError(f"{store}: there is no such file", hint="signedmsg store init makes it")


def _init(store: str, arguments: argparse.Namespace) -> int:
    if _is_postgres(store):
        with configuring("--schema"):
            _postgres().init(store, schema=arguments.schema)
    else:
        from signedmsg.stores import sqlite_inbox

        with configuring():
            sqlite_inbox.init(store)
    show("the tables are there, and up to date")
    return OK


def _status(store: str, arguments: argparse.Namespace) -> int:
    with _opened(store, arguments) as inbox:
        depth = inbox.depth()
    show(f"waiting  {depth.waiting}\nrunning  {depth.running}\ndead     {depth.dead}")
    return OK


def _dead(store: str, arguments: argparse.Namespace) -> int:
    with _opened(store, arguments) as inbox:
        for letter in inbox.dead(arguments.limit):
            attempts = f"{letter.attempts} attempt{'' if letter.attempts == 1 else 's'}"
            show(printable(f"{letter.issuer}  {letter.message_id}  {letter.type}  {attempts}  {letter.reason}"))
    return OK


def _redrive(store: str, arguments: argparse.Namespace) -> int:
    with _opened(store, arguments) as inbox:
        done = inbox.redrive(arguments.issuer, arguments.message)
    return _told(done, "queued", arguments, " again")


def _forget(store: str, arguments: argparse.Namespace) -> int:
    with _opened(store, arguments) as inbox:
        done = inbox.forget(arguments.issuer, arguments.message)
    return _told(done, "forgot", arguments, "")


def _told(done: bool, what: str, arguments: argparse.Namespace, after: str) -> int:
    which = f"{arguments.message} of {arguments.issuer}"
    if done:
        show(printable(f"{what} {which}{after}"))
        return OK
    note(f"signedmsg: there is no such message in that state: {which}")
    return REFUSED


_ACTIONS: Final = {"init": _init, "status": _status, "dead": _dead, "redrive": _redrive, "forget": _forget}
