"""`signedmsg keys`: make a key ring, rotate its keys, and write the document that receivers read."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from signedmsg._core.policy import MAX_LIFETIME
from signedmsg._core.ring import LIVE, SOFT_LIFETIME
from signedmsg._jose.algorithms import DEFAULT_ALGORITHM
from signedmsg.cli.arguments import add_key_details, load_key, password
from signedmsg.cli.keys_table import describe, shorten, table
from signedmsg.cli.output import dump, note, show
from signedmsg.cli.problems import OK, UNAVAILABLE, USAGE, CommandError, configuring
from signedmsg.errors import KeyRingError
from signedmsg.keys.ring import KeyRing

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Generator

    from signedmsg.keys.ring import RingKey

EXAMPLES: Final = """\
examples:
  signedmsg keys init ring --issuer https://billing.example
  signedmsg keys add ring
  signedmsg keys export ring --out keys.json      then bring keys.json to where receivers read it
  signedmsg keys list ring                        what may be done next, and when
  signedmsg keys activate ring KID                from now on it signs; the one before is retired
  signedmsg keys remove ring OLDKID
  signedmsg keys revoke ring KID --reason compromised
a KID may be shortened to a beginning that no other key of the ring has
exit code 3: too early; the same command works later
"""
_NAMES_A_KEY: Final = "the key's id, or a beginning of it that no other key has"
_MAX_DAYS: Final = 3650
# An empty one, of a variable that is not set, must not mean the only key there is.
_SHORTEST: Final = 4
_SKIP: Final = {
    "activate": "although receivers may not know the key yet, and would refuse what it signs",
    "remove": "although its tokens may be on their way, and would be refused",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, summary: str, *, kid: bool = False) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        one.add_argument("ring", metavar="RING", help="the ring's folder")
        if kid:
            one.add_argument("kid", metavar="KID", help=_NAMES_A_KEY)
        one.add_argument("--json", action="store_true", help="print the result as JSON")
        return one

    _configure_init(action("init", "make an empty ring"))
    action("list", "show each key, its age, and what may be done next and when")
    _configure_add(action("add", "publish a new key, which signs nothing yet"))
    for name in ("activate", "remove"):
        summary = "sign with a key from now on" if name == "activate" else "take a key out of the document"
        one = action(name, summary, kid=True)
        one.add_argument("--dangerously-skip-wait", action="store_true", help=_SKIP[name])
    retire = action("retire", "sign with a key no more; a key that receivers know takes over", kid=True)
    retire.add_argument("--dangerously-stop-signing", action="store_true", help="although no other key may sign now")
    revoke = action("revoke", "withdraw a key at once: it was stolen, or may have been", kid=True)
    revoke.add_argument("--reason", required=True, metavar="TEXT", help="why; everybody can read it")
    export = action("export", "write the document that receivers read")
    export.add_argument("--out", required=True, metavar="FILE", help="replace this file, at once and whole")


def _configure_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--issuer", required=True, metavar="ISS", help="whose keys they are: the iss of the tokens")
    parser.add_argument(
        "--soft-lifetime",
        type=int,
        default=SOFT_LIFETIME,
        metavar="SECONDS",
        help="how long receivers and caches go on with a document they have (default %(default)s)",
    )
    parser.add_argument(
        "--max-lifetime",
        type=int,
        default=MAX_LIFETIME,
        metavar="SECONDS",
        help="the longest lifetime of a token (default %(default)s)",
    )
    parser.add_argument(
        "--sequence", type=int, default=0, metavar="N", help="that of the document published so far (default 0)"
    )
    parser.add_argument(
        "--password-env", metavar="VAR", help="encrypt private keys with the password in this variable, now and always"
    )


def _configure_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, metavar="N", help="receivers stop taking the key after so many days")
    parser.add_argument("--from", dest="file", metavar="FILE", help="take this private key instead of a new one")
    add_key_details(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do one action, and say what changed."""
    with _explaining():
        return _ACTIONS[arguments.action](arguments)


@contextmanager
def _explaining() -> Generator[None]:
    """Turn what a ring refuses into one line and an exit code."""
    try:
        yield
    except KeyRingError as error:
        hint = error.hint and error.hint.replace("dangerously_skip_wait", "--dangerously-skip-wait")
        code = USAGE if error.wait is None else UNAVAILABLE
        raise CommandError(str(error), hint=hint, exit_code=code) from None


def _init(arguments: argparse.Namespace) -> int:
    with configuring():
        ring = KeyRing.create(
            arguments.ring,
            arguments.issuer,
            soft_lifetime=arguments.soft_lifetime,
            max_lifetime=arguments.max_lifetime,
            sequence=arguments.sequence,
            password_env=arguments.password_env,
        )
    if arguments.json:
        show(dump({"ring": arguments.ring, "issuer": ring.issuer, "sequence": ring.sequence}))
    note(f"made the ring {arguments.ring}; next: signedmsg keys add {arguments.ring}")
    return OK


def _list(arguments: argparse.Namespace) -> int:
    ring, now = KeyRing.open(arguments.ring), time.time()
    keys = [describe(ring, key, now) for key in ring.keys]
    behind = ring.exported is not None and ring.exported < ring.sequence
    if arguments.json:
        head = {"issuer": ring.issuer, "sequence": ring.sequence, "exported": ring.exported}
        show(dump({**head, "keys": keys, "leftovers": ring.leftovers}))
        return OK
    show(f"{ring.issuer}, sequence {ring.sequence}")
    for line in table(keys):
        show(line)
    if behind:
        note(f"the document last exported has sequence {ring.exported}: signedmsg keys export {arguments.ring} --out …")
    for name in ring.leftovers:
        note(f"{name}: a private key that is not in the ring; delete it, unless you put it there")
    return OK


def _add(arguments: argparse.Namespace) -> int:
    ring = KeyRing.open(arguments.ring)
    key = None if arguments.file is None else load_key(arguments.file, password(arguments), arguments.alg)
    if key is None and arguments.password_env is not None:
        raise CommandError("--password-env: belongs to --from; a ring has its own since it was made")
    if arguments.days is not None and not 1 <= arguments.days <= _MAX_DAYS:
        raise CommandError(f"--days: expected 1 to {_MAX_DAYS}")
    expires = None if arguments.days is None else timedelta(days=arguments.days)
    made = ring.add(arguments.alg or DEFAULT_ALGORITHM, expires=expires, key=key)
    _report(arguments, ring, made.kid, f"published {made.kid}")
    if key is not None:
        note(f"{arguments.file} is no longer needed: the ring has the key now")
    return OK


def _activate(arguments: argparse.Namespace) -> int:
    ring, kid = _open(arguments)
    before = {key.kid for key in ring.keys if key.stage == "active"}
    ring.activate(kid, dangerously_skip_wait=arguments.dangerously_skip_wait)
    retired = f", and {', '.join(before)} is retired" if before else ""
    return _report(arguments, ring, kid, f"{kid} signs from now on{retired}")


def _retire(arguments: argparse.Namespace) -> int:
    ring, kid = _open(arguments)
    ring.retire(kid, dangerously_stop_signing=arguments.dangerously_stop_signing)
    return _report(arguments, ring, kid, f"{kid} signs no more; {_who_signs(ring)}")


def _remove(arguments: argparse.Namespace) -> int:
    ring, kid = _open(arguments)
    ring.remove(kid, dangerously_skip_wait=arguments.dangerously_skip_wait)
    return _report(arguments, ring, kid, f"{kid} is no longer in the document; its private key is deleted")


def _revoke(arguments: argparse.Namespace) -> int:
    ring, kid = _open(arguments)
    ring.revoke(kid, arguments.reason)
    return _report(arguments, ring, kid, f"{kid} is revoked; {_who_signs(ring)}")


def _who_signs(ring: KeyRing) -> str:
    signing = [key for key in ring.keys if key.stage == "active"]
    if signing:
        return f"{signing[0].kid} signs"
    spare = any(key.stage in LIVE for key in ring.keys)
    return "NOTHING can be signed: " + ("activate another key" if spare else "add a key and activate it")


def _export(arguments: argparse.Namespace) -> int:
    ring = KeyRing.open(arguments.ring)
    document = ring.export(arguments.out)
    if arguments.json:
        show(dump({"file": arguments.out, "issuer": document.issuer, "sequence": document.sequence}))
    note(f"wrote sequence {document.sequence} to {arguments.out}; bring it to where receivers read it")
    return OK


def _open(arguments: argparse.Namespace) -> tuple[KeyRing, str]:
    """Open the ring, and find the one key whose id begins with what was given."""
    ring = KeyRing.open(arguments.ring)
    if len(arguments.kid) < _SHORTEST and not any(key.kid == arguments.kid for key in ring.keys):
        raise CommandError(f"KID: expected at least its first {_SHORTEST} characters", hint=_NAMES_A_KEY)
    found: list[RingKey] = [key for key in ring.keys if key.kid.startswith(arguments.kid)]
    exact = [key for key in found if key.kid == arguments.kid]
    if len(exact or found) == 1:
        return ring, (exact or found)[0].kid
    problem = "no key begins with" if not found else f"{len(found)} keys begin with"
    raise CommandError(f"KID: {problem} {arguments.kid!r}", hint=f"signedmsg keys list {arguments.ring}")


def _report(arguments: argparse.Namespace, ring: KeyRing, kid: str, what: str) -> int:
    """Say what was done and what comes next; with --json, the key as `list` shows it."""
    key = next((key for key in ring.keys if key.kid == kid), None)
    described = None if key is None else describe(ring, key, time.time())
    if arguments.json:
        show(dump({"sequence": ring.sequence, "key": described}))
    note(what)
    if ring.exported is not None:
        note(f"  next: signedmsg keys export {arguments.ring} --out …, for receivers to see it")
    elif described and described["next"] not in ("none", "replace"):
        note(f"  next: signedmsg keys {described['next']} {arguments.ring} {shorten(kid)}, {described['when']}")
    return OK


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "init": _init,
    "list": _list,
    "add": _add,
    "activate": _activate,
    "retire": _retire,
    "remove": _remove,
    "revoke": _revoke,
    "export": _export,
}
