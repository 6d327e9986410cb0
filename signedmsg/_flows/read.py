"""Read a source over HTTP: a key set, the key set that a metadata document names, or one key of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from signedmsg._core.fetched import KEY_SET_TYPES, METADATA_TYPES, PEM_TYPES, Fetched, check_document
from signedmsg._core.freshness import MIN_SOFT, soft_lifetime
from signedmsg._core.known import Read, Validator
from signedmsg._core.urls import parse_url
from signedmsg._jose import strict_json
from signedmsg._jose.jwk import KID
from signedmsg.errors import KeyDirectoryError

if TYPE_CHECKING:
    from collections.abc import Collection


class Web(Protocol):
    """One read's access to the network: one deadline for all that it gets."""

    async def get(self, url: str, accept: tuple[str, ...], etag: str | None) -> Fetched:
        """Return the answer, or raise `KeyDirectoryError` when none came."""
        ...


async def read_set(web: Web, url: str, validator: Validator | None, soft: float) -> Read:
    """Read the key set at a URL, unless it is still the one that is known (RFC 9110 §13.1.2)."""
    asked = validator.etag if validator is not None and validator.url == url else None
    fetched = await web.get(url, KEY_SET_TYPES, asked)
    soft = soft_lifetime(fetched.headers, soft)
    if fetched.status == 304 and asked is not None:
        return Read(None, soft, validator)
    check_document(url, fetched, KEY_SET_TYPES)
    etag = fetched.headers.get("etag")
    return Read((fetched.body,), soft, Validator(url, etag) if etag else None)


async def read_metadata(
    web: Web, url: str, validator: Validator | None, soft: float, *, issuer: str, hosts: Collection[str]
) -> Read:
    """Read the key set that the metadata document at a URL names (RFC 8414 §3; OpenID Connect Discovery §4)."""
    fetched = await web.get(url, METADATA_TYPES, None)
    check_document(url, fetched, METADATA_TYPES)
    try:
        document = strict_json.loads_object(fetched.body)
    except ValueError as error:
        raise KeyDirectoryError(f"{url}: the metadata document is not strict JSON: {error}") from None
    # Code point by code point (RFC 8414 §3.3): else one issuer's metadata could stand for another's.
    if document.get("issuer") != issuer:
        raise KeyDirectoryError(f"{url}: issuer: expected {issuer!r}, the metadata is of another issuer")
    return await read_set(web, _checked_jwks_uri(url, document.get("jwks_uri"), hosts), validator, soft)


def _checked_jwks_uri(url: str, jwks_uri: object, hosts: Collection[str]) -> str:
    """Return the URL if it leads to where the metadata came from, or to a host that was configured.

    Otherwise whoever can change the metadata could make this process ask any host that
    it can reach, such as one behind a firewall.
    """
    if not isinstance(jwks_uri, str):
        raise KeyDirectoryError(f"{url}: jwks_uri: expected a string")
    try:
        named, own = parse_url(jwks_uri), parse_url(url)
    except ValueError as error:
        raise KeyDirectoryError(f"{url}: jwks_uri: {error}") from None
    if named.origin == own.origin or (named.scheme == "https" and named.origin.removeprefix("https://") in hosts):
        return named.full
    raise KeyDirectoryError(f"{url}: jwks_uri: it is on another host, and hosts= does not name it")


async def read_key(web: Web, base: str, kid: str, validator: Validator | None, soft: float) -> Read:
    """Read the one key that a repository has under a kid; 403 and 404 both say that it has none."""
    url = key_url(base, kid)
    asked = validator.etag if validator is not None and validator.url == url else None
    fetched = await web.get(url, PEM_TYPES, asked)
    if fetched.status in (403, 404):
        return Read((), MIN_SOFT)
    soft = soft_lifetime(fetched.headers, soft)
    if fetched.status == 304 and asked is not None:
        return Read(None, soft, validator)
    check_document(url, fetched, PEM_TYPES)
    etag = fetched.headers.get("etag")
    return Read((fetched.body,), soft, Validator(url, etag) if etag else None)


def key_url(base: str, kid: str) -> str:
    """Return where a repository has the key of a kid; what could climb the path or begin a query is refused."""
    if not KID.fullmatch(kid) or any(part in ("", ".", "..") for part in kid.split("/")):
        raise KeyDirectoryError("the kid is none that can stand in a path")
    return f"{base.rstrip('/')}/{quote(kid, safe='/')}"
