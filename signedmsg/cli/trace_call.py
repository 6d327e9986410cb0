"""The steps behind the signature of a call: what of the request was signed, and its body."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._core.bind import check_digest
from signedmsg._core.call_body import check_body, read_body
from signedmsg._core.call_request import parse_request
from signedmsg._core.explain_body import explain_body
from signedmsg._core.policy import Trust
from signedmsg._core.target import RawTarget, normal_url
from signedmsg._core.verify_call import authenticate_call, bind_call
from signedmsg.cli.trace import Trace, prove_token
from signedmsg.cli.trace_message import check_claims
from signedmsg.errors import BindingError, NotAllowedError, VerificationError

if TYPE_CHECKING:
    from signedmsg._core.call import AuthenticCall, Request
    from signedmsg._core.call_policy import CallPolicy
    from signedmsg._core.verify_call import Head
    from signedmsg.cli.trace import Proven

_BOUND: Final = ("12", "method, URL, query and header fields are those that were signed")
_ALLOWED: Final = ("13", "its issuer may make this call")
_DIGEST: Final = ("14", "the body is the one that was signed")
# Nobody signs so many parts of a request that are all wrong.
_MOST_FORGIVEN: Final = 32
# At a command line somebody waits for the answer, and it is his own machine.
_MOST_REWRITTEN: Final = 16 * 1024 * 1024


class Arrived(NamedTuple):
    """A request as somebody says it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


def trace_call(trace: Trace, policy: CallPolicy, arrived: Arrived) -> None:
    """Make every step of the verification of a call."""
    request = trace.check(
        "1",
        "the request has one credential",
        lambda: parse_request(arrived.method, arrived.target, arrived.headers, policy),
    )
    if request is None:
        return
    trace.facts.request = request
    proven = prove_token(trace, request.token)
    if proven is None:
        return
    head = check_claims(trace, proven, lambda audience, now: _head(proven, policy, audience, now))
    if head is None:
        return
    authentic = _check_bound(trace, policy, head, request, proven.trust)
    _check_body(trace, policy, head, authentic, arrived.body)
    trace.skipped("17", "it comes for the first time", "no replay cache is asked")


def _head(proven: Proven, policy: CallPolicy, audience: str | None, now: float) -> Head:
    forgiving = policy if audience is None else replace(policy, audience=audience)
    return authenticate_call(proven.parsed, proven.key, forgiving, proven.trust, now)


def _check_bound(trace: Trace, policy: CallPolicy, head: Head, request: Request, trust: Trust) -> AuthenticCall | None:
    """Compare with what was signed, part by part: each that differs is noted, and put right for the next."""
    for _ in range(_MOST_FORGIVEN):
        trace.facts.request = request
        try:
            authentic = bind_call(head, request, policy, trust)
        except BindingError as error:
            trace.failed(*_BOUND, error)
            mended = _mended(request, head, policy, error.component)
            if mended == request or mended is None:
                return None
            request = mended
        except NotAllowedError as error:
            trace.passed(*_BOUND)
            trace.failed(*_ALLOWED, error)
            trust = Trust(trust.issuer, ("*",), trust.algorithms)
        else:
            trace.passed(*_BOUND)
            trace.passed(*_ALLOWED)
            return authentic
    return None


def _mended(request: Request, head: Head, policy: CallPolicy, component: str) -> Request | None:
    """Return the request with this part as it was signed; None where nobody can tell how."""
    match component:
        case "htm":
            return request._replace(method=head.htm)
        case "@query":
            return request._replace(query=head.members.get("@query", "?")[1:])
        case "htu":
            return _at(request, head.htu, policy)
        case name:
            fields = {each: values for each, values in request.fields.items() if each.replace("_", "-") != name}
            signed = head.members.get(name)
            return request._replace(fields=fields if signed is None else {**fields, name: [signed]})


def _at(request: Request, htu: str, policy: CallPolicy) -> Request | None:
    start = f"{policy.origin}{policy.prefix}/"
    try:
        url = normal_url(htu)
    except ValueError:
        return None
    if not url.startswith(start):
        return None
    return request._replace(target=RawTarget(url[len(start) - 1 :], request.query))


def _check_body(trace: Trace, policy: CallPolicy, head: Head, authentic: AuthenticCall | None, body: bytes) -> None:
    if authentic is None:
        trace.skipped(*_DIGEST, "the request was not the one that was signed")
        return
    trace.facts.authentic, trace.facts.body = authentic, body
    try:
        octets = check_body(authentic, body, policy.max_body)
    except VerificationError as error:
        is_other = isinstance(error, BindingError)
        said = explain_body(check_digest(head.members), body, _MOST_REWRITTEN) if is_other else None
        trace.failed(*_DIGEST, error, f"{error}; {said}" if said else None)
        return
    trace.passed(*_DIGEST)
    trace.check("15", "its data can be read", lambda: read_body(authentic, octets, None) or True)
