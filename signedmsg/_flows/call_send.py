"""Sign a call, and say what an answer to it means: done, sign anew once, or not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._core.claims import MAX_NUMERIC_DATE
from signedmsg._core.compose import Attempt, finish
from signedmsg._core.compose_request import Bound, compose_request
from signedmsg._core.delivery import Reply, judge
from signedmsg._flows.send import SignPorts, check_key_window
from signedmsg._jose import strict_json
from signedmsg.errors import DeliveryError

if TYPE_CHECKING:
    from signedmsg._core.policy import SendPolicy

# A clock that is further off than a token may live is not for a peer to correct.
MAX_OFFSET: Final = 300.0
_CLOCKS_DIFFER: Final = frozenset({"expired", "not_yet_valid"})


class SignedCall(NamedTuple):
    """One attempt's token, and its id."""

    token: str
    jti: str


class Refusal(NamedTuple):
    """What a receiver's own 401 says about time.

    Attributes:
        offset: how many seconds its clock is ahead of ours, or None when that is not to be believed.
        sign_anew: whether the call may be signed anew and sent once more.
    """

    offset: float | None
    sign_anew: bool


async def sign_call(ports: SignPorts, policy: SendPolicy, bound: Bound, offset: float) -> SignedCall:
    """Return a token for one attempt to send the request.

    Args:
        ports: clock, ids and signer.
        policy: what is signed as.
        bound: the request.
        offset: how many seconds the receiver's clock is ahead of ours; it moves `iat` and `exp` alone.

    Raises:
        SigningError: the key may not be used now, or its signer failed.
    """
    # Once an attempt: a key ring may rotate between the header and the signature.
    signer = ports.signer()
    now = ports.now()
    check_key_window(signer, policy, now)
    if offset:
        # The receiver judges the key's own times by its clock too.
        check_key_window(signer, policy, now + offset)
    attempt = Attempt(ports.new_jti(), now + offset)
    signing_input = compose_request(policy, bound, attempt, alg=signer.alg, kid=signer.kid)
    signature = ports.sign(signer, signing_input)
    if not isinstance(signature, bytes):
        signature = await signature
    return SignedCall(finish(policy, signing_input, signature), attempt.jti)


def judge_refusal(bound: Bound, reply: Reply, now: float, *, proven: bool) -> Refusal | None:
    """Return what a refusal of this call says about time, or None when it is about something else.

    Args:
        bound: the request that was refused.
        reply: the answer.
        now: our time, in Unix seconds.
        proven: whether the receiver signed this very refusal: then the request was surely not
            carried out, and any may be sent again.

    Raises:
        DeliveryError: the token was used before, so that this answer says nothing about the
            request that it came with.
    """
    verdict = judge(reply)
    if verdict.status == 409 and verdict.code == "replayed":
        raise DeliveryError(
            "answered 409 replayed: this very token was sent before, and what came of that is not known",
            status=409,
            reply_code="replayed",
            hint="something below the signature sends requests twice; retry above it, so that each attempt is signed",
        )
    if verdict.status != 401 or verdict.code not in _CLOCKS_DIFFER:
        return None
    their_now = strict_json.loads_object(reply.body).get("now")
    # A larger integer is no time, and need not even be a float.
    if type(their_now) is not int or not 0 < their_now < MAX_NUMERIC_DATE or abs(their_now - now) > MAX_OFFSET:
        return Refusal(None, sign_anew=False)
    return Refusal(their_now - now, sign_anew=proven or bound.repeatable)


def sent_again(*, redirect: bool) -> DeliveryError:
    """Return the error for a token that was, or was about to be, sent a second time."""
    if redirect:
        return DeliveryError(
            "the answer was a redirect, and to follow it would send on what was signed for this URL alone",
            outcome="refused",
            hint="follow_redirects=False returns the redirect; call its target yourself if you trust it",
        )
    return DeliveryError(
        "a layer below the signature was about to send the same token again; what came of the first time is not known",
        hint="retry above the client, so that each attempt is signed anew",
    )
