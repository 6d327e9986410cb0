"""From a request to a call: the head before the body is read, and the body after it, over ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signedmsg._core.call_body import check_body, read_body
from signedmsg._core.call_request import parse_request
from signedmsg._core.events import CallAccepted, CallRefused
from signedmsg._core.facts import Facts
from signedmsg._core.proof import check_expiry
from signedmsg._core.verify_call import admit_call, authenticate_call, bind_call, parse_token
from signedmsg.errors import ClaimError, SignedMessageError

if TYPE_CHECKING:
    from signedmsg._core.call import AuthenticCall, Call, Request
    from signedmsg._core.call_policy import CallPolicy
    from signedmsg._core.message import Parsed
    from signedmsg._core.payload import Model
    from signedmsg._flows.receive import ReceivePorts


async def open_call(
    ports: ReceivePorts, policy: CallPolicy, method: object, target: object, headers: object
) -> AuthenticCall:
    """Verify everything of a request but its body. Nothing is recorded.

    Raises:
        VerificationError: the request was refused.
        UnavailableError: the directory could not answer.
    """
    issuer: str | None = None
    request: Request | None = None
    parsed: Parsed | None = None
    now: float | None = None
    proven = False
    try:
        # 1.
        request = parse_request(method, target, headers, policy)
        parsed = parse_token(request.token, policy)
        issuer = parsed.issuer
        # 5. A map of configuration decides, so that an unknown issuer causes no I/O.
        trust = ports.trusted(issuer)
        # 6. Only ever within the issuer's own keys (RFC 8725 §3.8).
        key = await ports.find(issuer, parsed.compact.header.kid)
        now = ports.now()
        head = authenticate_call(parsed, key, policy, trust, now)
        proven = True
        return bind_call(head, request, policy, trust)
    except SignedMessageError as error:
        # The rules of claims but that of `iss`, which found the key, are checked behind the signature.
        proven = proven or (issuer is not None and isinstance(error, ClaimError))
        token = None if request is None else request.token
        facts = Facts(policy=policy, knows=ports, parsed=parsed, token=token, now=now, proven=proven, request=request)
        error.explained_by(facts)
        ports.notice(CallRefused(error=error, issuer=issuer, proven=proven))
        raise


async def finish_call(
    ports: ReceivePorts, policy: CallPolicy, authentic: AuthenticCall, body: object, model: Model[Any] | None
) -> Call[Any]:
    """Verify the body of an opened request, record its id, and return the call.

    Raises:
        VerificationError: the request was refused, and no store was written.
        UnavailableError: the replay cache could not answer.
    """
    now: float | None = None
    try:
        # 14, 15.
        octets = check_body(authentic, body, policy.max_body)
        data = read_body(authentic, octets, model)
        # 16. A body that trickles in outlives its token; by then a replay cache may have forgotten
        # that it was here before, and a second copy would be the first one that it sees.
        now = ports.now()
        check_expiry(authentic.expires_at, policy.leeway, now)
        first_use = ports.add(
            authentic.replay_key, authentic.keep, issuer=authentic.issuer, issued_at=authentic.signed_by
        )
        if not isinstance(first_use, bool):
            first_use = await first_use
        call = admit_call(authentic, octets, data, first_use=first_use)
    except SignedMessageError as error:
        error.explained_by(Facts(policy=policy, knows=ports, now=now, proven=True, authentic=authentic, body=body))
        ports.notice(CallRefused(error=error, issuer=authentic.issuer, proven=True))
        raise
    if ports.listens():
        ports.notice(CallAccepted(issuer=call.issuer, jti=call.jti, method=call.method, path=call.path))
    return call
