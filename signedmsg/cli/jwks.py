"""`signedmsg jwks`: the key directory document that receivers read."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from signedmsg._core.document import parse_document
from signedmsg._core.policy import check, problem_of_issuer
from signedmsg._jose import strict_json
from signedmsg._jose.jwk import PublicKey
from signedmsg._jose.jwks import JWKSet
from signedmsg._jose.secret_material import PRIVATE_MEMBERS
from signedmsg.cli.arguments import add_key_details, load_key, password, read_input
from signedmsg.cli.output import dump, note, show
from signedmsg.cli.problems import OK, CommandError, configuring
from signedmsg.errors import InvalidKeyError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

EXAMPLES: Final = """\
examples:
  signedmsg jwks billing.pem --issuer https://billing.example --out keys.json
  signedmsg jwks old.pem new.pem --issuer https://billing.example --sequence 2 --out keys.json
  signedmsg jwks new.pem --issuer https://billing.example --sequence 3 --revoke OLDKID --out keys.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("key", nargs="+", metavar="KEYFILE", help="a private or public key: PEM, or a JWK")
    parser.add_argument("--issuer", metavar="ISS", help="whose keys they are")
    parser.add_argument("--sequence", type=int, metavar="N", help="the document's number, which must never go down")
    parser.add_argument("--revoke", action="append", default=[], metavar="KID", help="a kid that is no longer valid")
    parser.add_argument("--out", metavar="FILE", help="replace this file, at once and whole (default: print)")
    add_key_details(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the document, or put it in place of the one before."""
    keys = [_public_half(path, password(arguments), arguments.alg) for path in arguments.key]
    with configuring():
        document = compose(keys, issuer=arguments.issuer, sequence=arguments.sequence, revoked=arguments.revoke)
    if arguments.out is None:
        show(document)
        return OK
    _check_sequence(Path(arguments.out), arguments.sequence)
    try:
        publish(Path(arguments.out), document)
    except OSError as error:
        raise CommandError(f"--out {arguments.out}: {error.strerror}") from None
    note(f"wrote {len(keys)} public {'key' if len(keys) == 1 else 'keys'} to {arguments.out}")
    return OK


def compose(
    keys: Iterable[PublicKey], *, issuer: str | None = None, sequence: int | None = None, revoked: Sequence[str] = ()
) -> str:
    """Return a key directory document, read back once as a receiver would.

    Raises:
        ValueError: a receiver would refuse it.
    """
    check((None if issuer is None else problem_of_issuer(issuer),))
    document: dict[str, object] = {}
    if issuer is not None:
        document["issuer"] = issuer
    if sequence is not None:
        document["sequence"] = sequence
    document |= JWKSet(*keys).to_jwks()
    if revoked:
        document["revoked"] = [{"kid": kid, "revoked_at": int(time.time())} for kid in revoked]
    written = dump(document, indent=2)
    parse_document(written.encode())
    return written


def publish(path: Path, document: str) -> None:
    """Replace a document, so that a reader sees the old one or the new one and never half of it."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(document + "\n")
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes it private, but everybody may read public keys.
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _check_sequence(path: Path, sequence: int | None) -> None:
    """Refuse a step back: receivers would ignore the new document, a revocation in it included."""
    try:
        before = parse_document(path.read_bytes()).sequence
    except (OSError, InvalidKeyError):
        return
    if before is not None and (sequence is None or sequence <= before):
        raise CommandError(
            f"--sequence: {path} has {before}, and receivers ignore a document whose number is not higher",
            hint=f"--sequence {before + 1}",
        )


def _public_half(path: str, secret: str | None, alg: str | None) -> PublicKey:
    data = read_input(path, "KEYFILE")
    if b"PRIVATE KEY-----" in data:
        return load_key(path, secret, alg).public
    if not data.lstrip().startswith(b"{"):
        with configuring(f"KEYFILE {path}"):
            return PublicKey.from_pem(data, alg=alg)
    try:
        jwk = strict_json.loads_object(data)
    except ValueError as error:
        raise CommandError(f"{path}: the JWK is not strict JSON: {error}") from None
    if PRIVATE_MEMBERS & jwk.keys():
        return load_key(path, secret, alg).public
    if "keys" in jwk:
        raise CommandError(f"KEYFILE {path}: this is a document of public keys already, and one key is needed")
    with configuring(f"KEYFILE {path}"):
        return PublicKey.from_jwk(jwk)
