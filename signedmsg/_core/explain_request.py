"""Why a request is not the one that was signed: which part differs, and what on the way usually does that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from signedmsg._core.call_policy import CallPolicy
from signedmsg._core.components import FIELD_NAME, field_value
from signedmsg._core.explain_body import explain_body
from signedmsg._core.explain_target import explain_path, explain_query
from signedmsg._core.explain_words import quoted
from signedmsg.errors import BindingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg._core.call import Request
    from signedmsg._core.facts import Facts
    from signedmsg.errors import SignedMessageError

_ADDED: Final = {
    "content-encoding": "a layer that compresses bodies was put in between",
    "range": "a cache or a download layer asks for a part of the answer",
    "idempotency-key": "it was added after the signature; set it before",
}


def explain_credentials(_: SignedMessageError, facts: Facts) -> str | None:
    """Say where a credential may have got lost; the request itself is nobody's word yet."""
    if not isinstance(facts.policy, CallPolicy):
        return None
    return (
        f"expected one Authorization field with {facts.policy.scheme} and a token: the caller sent none or one of "
        "another scheme, or a proxy or server did not pass the field on (Apache needs CGIPassAuth)"
    )


def explain_binding(error: SignedMessageError, facts: Facts) -> str | None:
    """Say what of the request differs from what was signed."""
    if not isinstance(error, BindingError) or not isinstance(facts.policy, CallPolicy):
        return None
    if facts.authentic is not None:
        return explain_body(facts.authentic.digests, facts.body)
    if facts.request is None or not facts.proven:
        return None
    return _explain_head(error.component, facts.request, facts.claims(), facts.policy)


def _explain_head(component: str, request: Request, claims: Mapping[str, object], policy: CallPolicy) -> str | None:
    members = cast("Mapping[str, object]", claims.get("http", {}))
    match component:
        case "htm":
            return _explain_method(str(claims.get("htm")), request.method)
        case "htu":
            return explain_path(request.target, str(claims.get("htu")), policy)
        case "@query":
            return explain_query(_text(members, "@query"), request.query)
        case name:
            return _explain_field(name, _text(members, name), request.fields)


def _text(members: Mapping[str, object], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None


def _explain_method(signed: str, seen: str) -> str:
    says = f"{quoted(signed)} was signed and {quoted(seen)} arrived"
    if signed.upper() == seen.upper():
        return f"{says}: methods are compared letter by letter, and a client may write them in upper case on its way"
    if seen == "GET":
        return f"{says}: a redirect (301, 302, 303) makes a GET of a POST"
    if {signed, seen} == {"GET", "HEAD"}:
        return f"{says}: some servers and caches make one of the other"
    return says


def _explain_field(name: str, signed: str | None, fields: Mapping[str, list[str]]) -> str | None:
    if name == "content-digest" or not FIELD_NAME.fullmatch(name):
        # Computed here, or no field at all: nothing on the way can have touched it.
        return None
    seen = fields.get(name)
    if name == "content-type" and signed is not None and seen is not None:
        return _explain_type(signed, seen)
    if seen is None:
        return f"a proxy, a server or a middleware took {quoted(name)} away" if signed is not None else None
    if signed is None:
        why = _ADDED.get(name, "it was added after the signature, by the client below it or on the way")
        return f"{why}: it changes what the request means, so it must be signed or absent"
    return f"something on the way wrote {quoted(name)} anew; its value is compared as it is"


def _explain_type(signed: str, seen: list[str]) -> str:
    if len(seen) > 1:
        return f"it stands {len(seen)} times, and layers differ in which one they believe"
    value = field_value(seen)
    says = f"{quoted(signed)} was signed and {quoted(value)} arrived"
    if signed.partition(";")[0].strip().lower() != value.partition(";")[0].strip().lower():
        return f"{says}: it is of another type"
    if "charset" in value.lower() and "charset" not in signed.lower():
        return f"{says}: a charset was added on the way"
    if "boundary" in signed.lower():
        return f"{says}: the multipart body was written anew, with another boundary"
    return f"{says}: the same type, written in another way; its whole value is compared"
