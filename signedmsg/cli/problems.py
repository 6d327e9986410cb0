"""What the command line says when something is wrong: one line, a hint, and an exit code."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from signedmsg.errors import DeliveryError, SignedMessageError, UnavailableError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Generator

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNAVAILABLE: Final = 3
INTERRUPTED: Final = 130

# What a person at this end can do about a refusal; peers never see these.
_HINTS: Final = {
    "unknown_issuer": "`signedmsg inspect` shows who it claims to be from; --issuer must be that, letter by letter",
    "unknown_key": "the token's kid is not in the --keys document: publish it with `signedmsg jwks`",
    "key_not_valid": "the key is revoked, or outside its own nbf and exp, in the --keys document",
    "invalid_signature": "it was altered, or another key signed it than the one published under this kid",
    "audience": "`signedmsg inspect` shows for whom it is; --audience must be that, letter by letter",
    "expired": "a token lives a minute: sign the message anew",
    "not_yet_valid": "is a clock wrong, here or at the sender's?",
    "replayed": "each token is accepted once; sign the message anew for another attempt",
    "unsupported": "`signedmsg inspect` shows what kind of token it is",
    "malformed": "expected one compact token and nothing else: three pieces with two dots between",
    "store_unavailable": "does its server run? or is its file on a local disk, writable, and not from another program?",
}


class CommandError(Exception):
    """Ends a command with one line on stderr, and no traceback.

    Attributes:
        hint: what to try, or None.
        exit_code: 1 refused or not delivered, 2 usage or configuration, 3 unavailable.
    """

    def __init__(self, message: str, *, hint: str | None = None, exit_code: int = USAGE) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code


@contextmanager
def configuring(what: str = "", hint: str | None = None) -> Generator[None]:
    """Turn what a wrong configuration raises into a `CommandError` that begins with the option's name."""
    try:
        yield
    except (TypeError, ValueError) as error:
        before = f"{what}: " if what else ""
        raise CommandError(f"{before}{error}", hint=getattr(error, "hint", None) or hint) from error


def explain(error: SignedMessageError | OSError) -> CommandError:
    """Return what to tell the person at the terminal about an error that ended a command."""
    if isinstance(error, OSError):
        return CommandError(f"{error.filename or 'input and output'}: {error.strerror or type(error).__name__}")
    hint = error.hint or _HINTS.get(error.code)
    if isinstance(error, VerificationError):
        return CommandError(f"refused ({error.code}): {error}", hint=hint, exit_code=REFUSED)
    if isinstance(error, UnavailableError):
        return CommandError(f"undecided ({error.code}): {error}", hint=hint, exit_code=UNAVAILABLE)
    if isinstance(error, DeliveryError):
        return CommandError(f"not delivered: {error}", hint=hint, exit_code=REFUSED)
    return CommandError(str(error), hint=hint)
