"""Whether the request that arrived is the one that was signed: method, URL, query and header fields.

Everything here comes after the signature, so that only a caller who holds a genuine
token learns which part differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg._core.components import (
    FIELD_NAME,
    ORDINARY,
    changes_request,
    field_value,
    meant_by,
    overrides_method,
    parse_content_digest,
    query_component,
)
from signedmsg._core.target import (
    DecodedTarget,
    RawTarget,
    decoded,
    has_escaped_separator,
    is_ambiguous,
    normal_path,
    normal_url,
)
from signedmsg.errors import BindingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg._core.call import Request
    from signedmsg._core.call_policy import CallPolicy


def bind(request: Request, htm: str, htu: str, members: Mapping[str, str], policy: CallPolicy) -> RawTarget:
    """Return the target that was signed, which is that of the request.

    Raises:
        BindingError: something that was signed differs, or something that must be signed was not.
    """
    if htm != request.method:
        raise BindingError(component="htm", reason="the request has another method than the one that was signed")
    path = _path(request, htu, policy)
    _check_query(request, members)
    for name, value in members.items():
        if name not in ("@query", "content-digest"):
            _check_field(name, value, request.fields)
    _check_unsigned(request.fields, members)
    return RawTarget(path, request.query)


def _path(request: Request, htu: str, policy: CallPolicy) -> str:
    """Return the path that was signed, in normal form."""
    # The authority is the configured one: `Host` and `X-Forwarded-Host` are the caller's own words.
    origin = policy.origin
    try:
        # Our callers write it in normal form, so that only its path needs to be looked at.
        path = normal_path(htu[len(origin) :]) if htu.startswith(f"{origin}/") else _foreign_path(htu, origin)
    except ValueError as error:
        raise BindingError(component="htu", reason=str(error)) from None
    if is_ambiguous(path):
        raise BindingError(component="htu", reason="a path with a dot segment or an empty segment is refused")
    if not _is_path_of(request, path, policy):
        raise BindingError(
            component="htu",
            reason="the request has another path than the one that was signed",
            hint=f"a proxy that strips a prefix from paths needs external_url to name it; here it is {policy.prefix!r}",
        )
    return path


def _foreign_path(htu: str, origin: str) -> str:
    url = normal_url(htu)
    if not url.startswith(f"{origin}/"):
        raise BindingError(
            component="htu",
            reason="the token was signed for another scheme, host or port",
            hint=f"this receiver is reached as {origin}: see external_url",
        )
    return url[len(origin) :]


def _is_path_of(request: Request, path: str, policy: CallPolicy) -> bool:
    target = request.target
    if not isinstance(target, DecodedTarget):
        return path == policy.prefix + target.path
    # Once decoded, an escaped slash is a slash, and the application would see another path than was signed.
    if has_escaped_separator(path):
        raise BindingError(
            component="htu", reason="%2F or %5C in a path is refused where the server decodes paths before this check"
        )
    return decoded(path) == policy.prefix_octets + target.path


def _check_query(request: Request, members: Mapping[str, str]) -> None:
    if members.get("@query", "?") != query_component(request.query):
        what = "differs from the one that was signed" if "@query" in members else "was not signed"
        raise BindingError(component="@query", reason=f"the query {what}")


def _check_field(name: str, value: str, fields: Mapping[str, list[str]]) -> None:
    if not FIELD_NAME.fullmatch(name):
        raise BindingError(component=name[:64], reason="no such component is known here")
    values = fields.get(name)
    if values is None:
        raise BindingError(component=name, reason="the field was signed and is not there")
    if field_value(values) != value:
        raise BindingError(component=name, reason="the field differs from the one that was signed")


def _check_unsigned(fields: Mapping[str, list[str]], members: Mapping[str, str]) -> None:
    """Refuse what would change the meaning of a request without anybody's signature."""
    # Two of them would be compared as one, and nobody knows which one another layer believes.
    if len(fields.get("content-type", ())) > 1:
        raise BindingError(component="content-type", reason="the field stands more than once")
    for name in fields:
        if name in ORDINARY:
            continue
        meant = meant_by(name)
        if overrides_method(meant):
            raise BindingError(component=meant, reason="a field that overrides the method is refused")
        if name not in members and changes_request(meant):
            raise BindingError(component=meant, reason="the field is there and was not signed")


def check_digest(members: Mapping[str, str]) -> dict[str, bytes]:
    """Return the digests with which the body is compared once it has been read; none stand for an empty body.

    Raises:
        BindingError: they bind nothing, or the body's type was not signed with it.
    """
    value = members.get("content-digest")
    if value is None:
        return {}
    try:
        digests = parse_content_digest(value)
    except ValueError as error:
        raise BindingError(component="content-digest", reason=str(error)) from None
    # The type changes how a body reads, the boundary of a multipart one most of all.
    if "content-type" not in members:
        raise BindingError(component="content-type", reason="there is a body, and its type was not signed")
    return digests
