"""Options that several commands share, and what they name: keys, trust, files, data."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from signedmsg._jose import strict_json
from signedmsg._jose.shown import is_secret
from signedmsg.cli.output import note
from signedmsg.cli.problems import CommandError, configuring
from signedmsg.errors import InvalidKeyError, KeyRingError
from signedmsg.keys.directory import KeyDirectory
from signedmsg.keys.issuer import Issuer
from signedmsg.keys.ring import KeyRing
from signedmsg.keys.signing import SigningKey

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from signedmsg._core.events import Event
    from signedmsg._jose.strict_json import JSONValue

# Larger than any token or key file; what is longer was not meant.
MAX_INPUT: Final = 16 * 1024 * 1024


def add_signer(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who signs, and with what."""
    parser.add_argument(
        "--issuer", metavar="ISS", help="who signs, as receivers know it: the iss; with --ring, that of the ring"
    )
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key", metavar="FILE", help="the private key: PEM, or a JWK")
    key.add_argument("--key-env", metavar="VAR", help="the environment variable that holds the private key")
    key.add_argument("--ring", metavar="DIR", help="a key ring, whose active key signs: see `signedmsg keys`")
    add_key_details(parser)


def add_key_details(parser: argparse.ArgumentParser) -> None:
    """Add the options without which some key files cannot be read."""
    parser.add_argument("--password-env", metavar="VAR", help="the environment variable with the key file's password")
    parser.add_argument("--alg", help="the key's algorithm, where its file does not say: RSA, or EdDSA, in PEM")


def load_signer(arguments: argparse.Namespace) -> tuple[str, SigningKey | KeyRing]:
    """Return the issuer and the key that `add_signer` asked for."""
    if arguments.ring is not None:
        try:
            ring = KeyRing.open(arguments.ring)
        except KeyRingError as error:
            raise CommandError(f"--ring: {error}", hint=error.hint) from None
        return arguments.issuer or ring.issuer, ring
    if arguments.issuer is None:
        raise CommandError(
            "expected --issuer: who signs, as receivers know it", hint="--issuer https://billing.example"
        )
    return arguments.issuer, _load_signing_key(arguments)


def _load_signing_key(arguments: argparse.Namespace) -> SigningKey:
    if arguments.key_env:
        return SigningKey.from_env(arguments.key_env, password_env=arguments.password_env, alg=arguments.alg)
    return load_key(arguments.key, password(arguments), arguments.alg)


def password(arguments: argparse.Namespace) -> str | None:
    """Return the password in the variable named by --password-env; None when none is named."""
    if arguments.password_env is None:
        return None
    value = os.environ.get(arguments.password_env)
    if not value:
        raise CommandError(f"the environment variable {arguments.password_env} is not set")
    return value


def load_key(path: str, secret: str | None, alg: str | None) -> SigningKey:
    """Read a private key, and pass its warnings on as notes."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            key = SigningKey.load(path, password=secret, alg=alg)
        except InvalidKeyError as error:
            raise CommandError(str(error), hint=error.hint or _key_hint(path, error)) from None
    for one in found:
        note(f"signedmsg: warning: {one.message}")
    return key


def _key_hint(path: str, error: InvalidKeyError) -> str | None:
    if is_secret(path):
        return "--key-env VAR reads a key from an environment variable; on a command line others can see it"
    if not Path(path).exists():
        return f"signedmsg keygen --out {path} makes one"
    if "password is needed" in str(error):
        return "put it into an environment variable and name that with --password-env"
    return None


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who is trusted, with which keys, to send what."""
    parser.add_argument("--issuer", metavar="ISS", help="the issuer that is trusted")
    parser.add_argument("--keys", metavar="PATH", help="its key directory: a JWK Set file, or a folder of them")
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="ISS=PATH",
        help="another trusted issuer and its keys; may be repeated",
    )
    parser.add_argument(
        "--allow",
        action="append",
        metavar="PATTERN",
        help='a message type they may send: "invoice.paid", "invoice.*" or "*" (default); may be repeated',
    )


def load_trust(arguments: argparse.Namespace, observe: Callable[[Event], None] | None = None) -> KeyDirectory:
    """Return the directory that `add_trust` asked for."""
    named: dict[str, str] = {}
    for one in arguments.trust:
        issuer, separator, path = one.partition("=")
        if not (issuer and separator and path):
            raise CommandError(
                f"--trust: expected ISS=PATH, got {one!r}", hint="--trust https://billing.example=keys.json"
            )
        named[issuer] = path
    if (arguments.issuer is None) != (arguments.keys is None) or not (named or arguments.issuer):
        raise CommandError("expected --issuer and --keys: who is trusted, and its public keys", hint=_KEYS_HINT)
    if arguments.issuer is not None:
        named[arguments.issuer] = arguments.keys
    for path in named.values():
        _check_public(path)
    with configuring("--keys", _TRUST_HINT):
        issuers = [Issuer(id, allow=arguments.allow or ["*"], keys=path) for id, path in named.items()]
        return KeyDirectory(*issuers, observe=observe)


_KEYS_HINT: Final = "signedmsg jwks KEYFILE --issuer ISS --out keys.json writes such a document"
_TRUST_HINT: Final = "--keys is a document that `signedmsg jwks` writes, and --issuer the issuer it names"


def _check_public(path: str) -> None:
    """Catch the commonest mistakes: no such file, and the private key where the public one belongs."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(4096)
    except IsADirectoryError:
        return
    except OSError as error:
        raise CommandError(f"--keys {path}: {error.strerror}", hint=_KEYS_HINT) from None
    if b"PRIVATE KEY" in start:
        raise CommandError(
            f"--keys {path}: this is a private key; receivers need only its public half", hint=_KEYS_HINT
        )


def read_input(path: str, what: str) -> bytes:
    """Return what a file holds, or stdin for `-`."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_INPUT + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(MAX_INPUT + 1)
    except OSError as error:
        hint = "JSON itself goes into --data-json" if what == "--data" and path.lstrip()[:1] in ("{", "[") else None
        raise CommandError(f"{what} {path}: {error.strerror}", hint=hint) from None
    if len(data) > MAX_INPUT:
        raise CommandError(f"{what} {path}: larger than {MAX_INPUT // 2**20} MiB")
    return data


def add_token(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names where a token is read from."""
    parser.add_argument("token", nargs="?", default="-", metavar="TOKENFILE", help="a file, or - for stdin (default)")


def read_token(path: str) -> bytes:
    """Return the token in a file, without the white space around it."""
    # On a command line every user of the machine could read it, and replay it.
    if path.startswith("eyJ") and path.count(".") >= 2:
        raise CommandError("a token is read from a file or stdin, not from the command line", hint="use TOKENFILE or -")
    if path == "-" and sys.stdin.isatty():
        note("reading the token from the terminal: paste it, then press Enter and Ctrl-D")
    return read_input(path, "TOKENFILE").strip()


def add_data(parser: argparse.ArgumentParser, *, lines: bool = False) -> None:
    """Add the options that name a message's data."""
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", metavar="FILE", help="the JSON data: a file, or - for stdin")
    data.add_argument("--data-json", metavar="JSON", help="the JSON data itself")
    if lines:
        data.add_argument("--lines", metavar="FILE", help="JSON Lines, gzip or not, a message each; - for stdin")


def load_data(arguments: argparse.Namespace) -> JSONValue:
    """Return the data that `add_data` asked for."""
    if arguments.data_json is not None:
        return parse_data(os.fsencode(arguments.data_json), "--data-json")
    return parse_data(read_input(arguments.data, "--data"), f"--data {arguments.data}")


def parse_data(written: bytes, where: str) -> JSONValue:
    """Return one JSON value, read as strictly as receivers read it."""
    try:
        return strict_json.loads(written)
    except ValueError as error:
        raise CommandError(f"{where}: {error}") from None
