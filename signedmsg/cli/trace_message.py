"""The steps behind the signature of a message."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from signedmsg._core.policy import Trust
from signedmsg._core.verify import authenticate, authorize
from signedmsg.cli.trace import Proven, Trace, prove_token
from signedmsg.errors import ClaimError, MalformedTokenError, NotAllowedError, UnsupportedTokenError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from signedmsg._core.message import Authentic
    from signedmsg._core.policy import ReceivePolicy

    T = TypeVar("T")

CLAIMS: Final = ("9", "the claims are there, each of its form")
TIME: Final = ("10", "it is valid now, and short-lived")
AUDIENCE: Final = ("11", "it is for this audience")
_ALLOWED: Final = ("12", "its issuer may send this here, and it is still wanted")
TIMES: Final = frozenset({"expired", "not_yet_valid"})


def trace_message(trace: Trace, policy: ReceivePolicy, token: object) -> None:
    """Make every step of the verification of a message."""
    proven = prove_token(trace, token, "1, 2")
    if proven is None:
        return
    authentic = check_claims(trace, proven, lambda audience, now: _authentic(proven, policy, audience, now))
    if authentic is None:
        return
    _check_allowed(trace, policy, authentic, proven.trust)
    trace.skipped("13", "the data fits the model", "the model is the receiver's")
    trace.skipped("14", "it comes for the first time", "no replay cache is asked")


def _authentic(proven: Proven, policy: ReceivePolicy, audience: str | None, now: float) -> Authentic:
    forgiving = policy if audience is None else _for(policy, audience)
    return authenticate(proven.parsed, proven.key, forgiving, proven.trust, now)


def _for(policy: ReceivePolicy, audience: str) -> ReceivePolicy:
    """Return the policy for another audience, which is compared as it is and not brought to normal form."""
    made = replace(policy)
    object.__setattr__(made, "audience", audience)
    return made


def check_claims(
    trace: Trace,
    proven: Proven,
    authenticate: Callable[[str | None, float], T],
) -> T | None:
    """Make the steps of the claims; the time and the audience are noted when they are wrong, and forgiven once each."""
    audience: str | None = None
    now, left = trace.now, {*TIMES, "audience"}
    while True:
        try:
            made = authenticate(audience, now)
        except (ClaimError, UnsupportedTokenError, MalformedTokenError) as error:
            number, name = _step_of(error)
            trace.failed(number, name, error)
            if error.code not in left or not isinstance(error, ClaimError):
                return None
            left -= TIMES if error.code in TIMES else {error.code}
            if error.code == "audience":
                audience = str(proven.claims["aud"])
            else:
                now = _within(proven)
        else:
            for number, name in (CLAIMS, TIME, AUDIENCE):
                trace.passed(number, name)
            trace.steps.sort(key=lambda step: float(step.number.partition(",")[0]))
            return made


def _within(proven: Proven) -> float:
    issued_at, not_before = proven.claims["iat"], proven.claims.get("nbf")
    return float(max(one for one in (issued_at, not_before) if isinstance(one, int)))


def _step_of(error: Exception) -> tuple[str, str]:
    code = getattr(error, "code", "")
    return TIME if code in TIMES | {"lifetime"} else AUDIENCE if code == "audience" else CLAIMS


def _check_allowed(trace: Trace, policy: ReceivePolicy, authentic: Authentic, trust: Trust) -> None:
    for forgiving in (trust, Trust(trust.issuer, ("*",), trust.algorithms)):
        try:
            authorize(authentic, policy, forgiving, trace.now)
        except (NotAllowedError, ClaimError) as error:
            trace.failed(*_ALLOWED, error)
            if not isinstance(error, NotAllowedError) or str(error).startswith("msg.account"):
                return
        else:
            trace.passed(*_ALLOWED)
            return
