"""The body of a call: that it is the one that was signed, and what it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from signedmsg._core.components import matches
from signedmsg._core.payload import Model, fit
from signedmsg._jose import strict_json
from signedmsg.errors import BindingError, MalformedTokenError, PayloadError, TooLargeError

if TYPE_CHECKING:
    from signedmsg._core.call import AuthenticCall
    from signedmsg._jose.strict_json import JSONValue

# RFC 8259 §11 and RFC 6839 §3.1. JSON is UTF-8; a parameter that says otherwise is believed by some reader.
_JSON: Final = re.compile(
    r"(?:application/json|[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+\+json)"
    r"(?:[ \t]*;[ \t]*(?!charset[ \t]*=)[a-z0-9!#$&^_.+-]+=(?:[a-z0-9!#$&^_.+-]+|\"[^\"\\]*\")"
    r'|[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))*[ \t]*',
    re.IGNORECASE | re.ASCII,
)


def check_body(authentic: AuthenticCall, body: object, max_body: int) -> bytes:
    """Return the body, which is the one that was signed.

    Raises:
        MalformedTokenError: it is no bytes.
        TooLargeError: it is larger than `max_body`; nothing was computed over it.
        BindingError: its digest differs, or none was signed and it is not empty.
    """
    if not isinstance(body, bytes):
        raise MalformedTokenError(f"body: expected bytes, got {type(body).__name__}")
    if not authentic.digests:
        if body:
            raise unsigned_body()
        return body
    if len(body) > max_body:
        raise body_too_large(max_body)
    if not matches(authentic.digests, body):
        raise BindingError(
            component="content-digest",
            reason="the body differs from the one that was signed",
            hint="the digest is over the octets that were sent; a layer that writes JSON anew changes them",
        )
    return body


def unsigned_body() -> BindingError:
    """Return the error for a body where none was signed."""
    return BindingError(component="content-digest", reason="there is a body, and none was signed")


def body_too_large(max_body: int) -> TooLargeError:
    """Return the error for a body beyond the cap."""
    return TooLargeError(f"body: larger than {max_body} bytes", code="body_too_large")


def read_body(authentic: AuthenticCall, body: bytes, model: Model[Any] | None) -> Any:
    """Return what the body says: an instance of the model, or without one its JSON value, or None for another type.

    Raises:
        PayloadError: it does not fit, is no JSON with one meaning, or of a type that no model reads.
    """
    if not _is_json(authentic):
        if model is not None and authentic.digests:
            raise PayloadError("body: a model reads JSON in UTF-8, and no coding of it", code="unsupported_media_type")
        if model is not None:
            raise _empty()
        return None
    if not body:
        if model is not None:
            raise _empty()
        return None
    data = _json(body)
    return data if model is None else fit(data, model)


def _is_json(authentic: AuthenticCall) -> bool:
    bound = authentic.bound
    content_type = bound.get("content-type")
    return content_type is not None and "content-encoding" not in bound and _JSON.fullmatch(content_type) is not None


def _empty() -> PayloadError:
    return PayloadError("body: expected JSON, it is empty", errors=[("", "the body is empty")])


def _json(body: bytes) -> JSONValue:
    try:
        return strict_json.loads(body)
    except ValueError as error:
        # The text may hold a member's name, which is the caller's own: it is for the log alone.
        raise PayloadError(f"body: {error}", errors=[("", "not JSON with one meaning")]) from None
