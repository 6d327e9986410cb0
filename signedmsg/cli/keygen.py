"""`signedmsg keygen`: a new private key in a file that only its owner can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from signedmsg._jose.algorithms import ALGORITHMS, DEFAULT_ALGORITHM
from signedmsg.cli.arguments import password
from signedmsg.cli.output import dump, note, show
from signedmsg.cli.problems import OK, CommandError
from signedmsg.keys.signing import SigningKey

if TYPE_CHECKING:
    import argparse

EXAMPLES: Final = """\
examples:
  signedmsg keygen --out billing.pem
  signedmsg keygen --alg Ed25519 --out billing.pem
  PASSWORD=… signedmsg keygen --out billing.pem --password-env PASSWORD
then:
  signedmsg jwks billing.pem --issuer https://billing.example --out keys.json
"""
# A PEM says what kind of key it holds, not which of these it is for.
_NOT_IN_PEM: Final = ("EdDSA", "PS", "RS")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--alg", default=DEFAULT_ALGORITHM, choices=tuple(ALGORITHMS), metavar="ALG", help=_ALG_HELP)
    parser.add_argument(
        "--out", default="signing-key.pem", metavar="FILE", help="where to write it (default %(default)s)"
    )
    parser.add_argument(
        "--password-env", metavar="VAR", help="encrypt it with the password in this environment variable"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


_ALG_HELP: Final = f"one of {', '.join(ALGORITHMS)} (default {DEFAULT_ALGORITHM})"


def run(arguments: argparse.Namespace) -> int:
    """Write the key, and print its public half."""
    secret = password(arguments)
    key = SigningKey.generate(arguments.alg)
    try:
        key.save(arguments.out, password=secret)
    except FileExistsError:
        hint = "choose another --out; whoever deletes a key in use can no longer sign with it"
        raise CommandError(
            f"{arguments.out}: there is a file already, and a key is never overwritten", hint=hint
        ) from None
    except OSError as error:
        raise CommandError(f"--out {arguments.out}: {error.strerror}") from None
    public = key.public.to_jwk()
    if arguments.json:
        show(dump({"file": arguments.out, "kid": key.kid, "alg": key.alg, "public_jwk": public}))
        return OK
    show(f"kid         {key.kid}")
    show(f"public JWK  {dump(public)}")
    note(
        f"wrote the private key to {arguments.out}: readable by you alone; keep it so, and publish only the public one"
    )
    if key.alg.startswith(_NOT_IN_PEM):
        note(f"the file does not say which algorithm the key is for: use it with --alg {key.alg}")
    return OK
