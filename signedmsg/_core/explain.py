"""Why something was refused, in sentences that name what differs: for this side's operator, never for the peer.

Pure and total, and worked out only when somebody asks. Nothing costly is done for a token that
nobody has proven: its header and its issuer's name are all that is looked at. No sentence holds a
token, a value of a payload or of a query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from signedmsg._core.explain_keys import explain_issuer, explain_key, explain_key_times, explain_signature
from signedmsg._core.explain_request import explain_binding, explain_credentials
from signedmsg._core.explain_token import (
    explain_audience,
    explain_expired,
    explain_kind,
    explain_not_yet,
    explain_shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.facts import Facts
    from signedmsg.errors import SignedMessageError

_ABOUT: Final[dict[str, Callable[[SignedMessageError, Facts], str | None]]] = {
    "audience": explain_audience,
    "binding": explain_binding,
    "credentials_missing": explain_credentials,
    "expired": explain_expired,
    "invalid_signature": explain_signature,
    "key_not_valid": explain_key_times,
    "malformed": explain_shape,
    "not_yet_valid": explain_not_yet,
    "unknown_issuer": explain_issuer,
    "unknown_key": explain_key,
    "unsupported": explain_kind,
}
_REPLAYED: Final = (
    "each token is accepted once: whoever tries again must sign anew, so look for a retry below the signature, "
    "a request that was sent twice, or somebody who took it from a log"
)


def explain(error: SignedMessageError, facts: Facts) -> str:
    """Return the error's text and what is known beyond it; the text and the hint where that is nothing."""
    about = _ABOUT.get(error.code)
    said = about(error, facts) if about else None
    if error.code == "replayed":
        said = _REPLAYED
    return f"{error}; {said}" if said else error.plainly()
