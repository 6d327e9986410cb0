"""The HTTP answer that a bound response covers: what is read of it, and how it is compared with what was signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from signedmsg._core.answer_token import RESPONSE_HEADER, Answered
from signedmsg._core.components import field_value, matches, parse_content_digest
from signedmsg.errors import BindingError, MalformedTokenError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from signedmsg._jose.strict_json import JSONValue

_MEMBERS: Final = frozenset({"@status", "content-type", "content-digest"})
_OTHER: Final = "it is not the one that was signed"
_ABSENT: Final = object()


def read_fields(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[str | None, str | None]:
    """Return the bound response in the header fields, or None, and the Content-Type, or None.

    Raises:
        MalformedTokenError: two answers are signed; a signature for each is no answer.
        BindingError: the content is coded, so what was signed is not what came.
    """
    found = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
    pairs = list(found)
    tokens = _values(pairs, RESPONSE_HEADER.lower())
    if len(tokens) > 1:
        raise MalformedTokenError(f"{RESPONSE_HEADER} stands twice")
    # A coding could unfold into far more than the cap, before anything has been verified.
    if any(coding.strip().lower() not in ("", "identity") for coding in _values(pairs, "content-encoding")):
        raise BindingError(
            component="content-encoding",
            reason="a signed answer has none",
            hint="something between compressed the answer; ask for `Accept-Encoding: identity`",
        )
    types = _values(pairs, "content-type")
    return (tokens[0].strip(" \t") if tokens else None), (field_value(types) if types else None)


def _values(pairs: Iterable[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in pairs if key.lower() == name]


def compare(signed: Mapping[str, JSONValue], answered: Answered) -> None:
    """Compare what was signed with what came, both ways: a member that is missing says that there is nothing."""
    unknown = signed.keys() - _MEMBERS
    if unknown:
        raise BindingError(component=min(unknown)[:64], reason="no such member is known here")
    if signed.get("@status") != str(answered.status):
        raise BindingError(component="@status", reason=_OTHER)
    # `null` is no value and not the same as nothing.
    if signed.get("content-type", _ABSENT) != (_ABSENT if answered.content_type is None else answered.content_type):
        raise BindingError(component="content-type", reason=_OTHER)
    if not _fits(signed.get("content-digest", _ABSENT), answered.body):
        raise BindingError(component="content-digest", reason=_OTHER)


def _fits(digest: object, body: bytes) -> bool:
    if not isinstance(digest, str):
        return digest is _ABSENT and not body
    try:
        return bool(body) and matches(parse_content_digest(digest), body)
    except ValueError:
        return False
