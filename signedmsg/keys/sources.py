"""Where an issuer's keys are: at a URL, where a metadata document says, in a repository, or in several of these."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from signedmsg._core.policy import check
from signedmsg._core.urls import WebURL, parse_url
from signedmsg._jose.algorithms import ALGORITHMS
from signedmsg._jose.jwk import KID
from signedmsg._jose.jwks import JWKSet
from signedmsg._jose.shown import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

WELL_KNOWN = "/.well-known/signedmsg/keys.json"


@dataclass(frozen=True, slots=True)
class KeySetURL:
    """A key directory document, or a plain JWK Set, at a URL."""

    url: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", checked_url("keys", self.url).full)


@dataclass(frozen=True, slots=True, init=False)
class Metadata:
    """The key set that a metadata document names as its `jwks_uri` (RFC 8414, OpenID Connect Discovery).

    The document's `issuer` must equal the configured issuer code point by code point.

    Args:
        url: where the metadata is, such as `https://login.example/.well-known/openid-configuration`.
        hosts: hosts (with their port, where it is not 443) on which the `jwks_uri` may be,
            beside that of `url`.

    Raises:
        TypeError, ValueError: the URL is none that can be used.
    """

    url: str
    hosts: frozenset[str]

    def __init__(self, url: str, *, hosts: Iterable[str] = ()) -> None:
        if isinstance(hosts, str):
            raise TypeError(f'hosts: expected a list of host names, got one str; write ["{hosts}"]')
        object.__setattr__(self, "url", checked_url("url", url).full)
        object.__setattr__(self, "hosts", frozenset(_host(one) for one in hosts))


@dataclass(frozen=True, slots=True, init=False)
class ASAPRepository:
    """A repository that has each key as a PEM of its own at `base_url/<kid>`, as ASAP does (S2S authentication).

    403 and 404 both mean that there is no such key.

    Args:
        base_url: the URL to which `/` and the kid are added.
        prefix: what every kid of this issuer begins with. Needed where the repository
            holds keys of several issuers (in ASAP it is the issuer and `/`): else each of
            them could sign in the name of all.
        rsa: the JWS algorithm of its RSA keys, since a PEM does not say.

    Raises:
        TypeError, ValueError: with every problem named.
    """

    base_url: str
    prefix: str
    rsa: str

    def __init__(self, base_url: str, *, prefix: str = "", rsa: str = "RS256") -> None:
        url = checked_url("base_url", base_url)
        fits = rsa in ALGORITHMS and ALGORITHMS[rsa].kty == "RSA"
        check(
            (
                "base_url: a URL without a query" if url.query else None,
                None if prefix == "" or KID.fullmatch(prefix) else "prefix: expected the beginning of a kid",
                None if fits else f"rsa: expected the algorithm of an RSA key, got {rsa!r}",
            )
        )
        object.__setattr__(self, "base_url", url.endpoint)
        object.__setattr__(self, "prefix", prefix)
        object.__setattr__(self, "rsa", rsa)


@dataclass(frozen=True, slots=True, init=False)
class Chain:
    """Several sources of one issuer's keys, such as a file that was deployed and a URL.

    A key that any of them knows is found without reading the others; an unknown kid is
    looked for in each, in order. A key that one of them has revoked is refused, whichever
    others have it.

    Args:
        sources: each a source, or whatever `Issuer(keys=…)` takes.

    Raises:
        TypeError, ValueError: there is none, or one of them is no source.
    """

    sources: tuple[Single, ...]

    def __init__(self, *sources: Source | str | os.PathLike[str]) -> None:
        if not sources:
            raise ValueError("a Chain needs at least one source")
        object.__setattr__(self, "sources", tuple(one for each in sources for one in singles(source_of(each))))


Single = JWKSet | Path | KeySetURL | Metadata | ASAPRepository
Source = Single | Chain


def source_of(keys: object) -> Source:
    """Return the source that a caller named: by itself, a path or a URL."""
    if isinstance(keys, Source):
        return keys
    if isinstance(keys, str) and "://" in keys:
        return KeySetURL(keys)
    if keys == "":
        raise ValueError("keys: the path is empty, which would be the current folder")
    if isinstance(keys, str) and is_secret(keys):
        # A private key might be in it, and the path stands in errors and events.
        raise ValueError("keys: expected a path, got the text of a key or a set; use JWKSet.from_json for a set")
    if isinstance(keys, (str, os.PathLike)):
        return Path(cast("str | os.PathLike[str]", keys))
    # A key, public or private, or several of them.
    hint = "; keys go into a set: JWKSet(key.public)" if type(keys) in (list, tuple) or hasattr(keys, "kid") else ""
    raise TypeError(f"keys: expected a JWKSet, a path, a URL or a source, got {type(keys).__name__}{hint}")


def singles(source: Source) -> tuple[Single, ...]:
    """Return the sources of a source."""
    return source.sources if isinstance(source, Chain) else (source,)


def well_known(issuer: str) -> KeySetURL:
    """Return where an issuer's keys are if nobody says."""
    try:
        url = checked_url("id", issuer)
    except ValueError as error:
        raise ValueError(f"keys: not given, so the issuer must be an https URL; {error}") from None
    if url.query or "?" in issuer or "#" in issuer:
        raise ValueError("keys: not given, so the issuer must be an https URL without query and fragment")
    return KeySetURL(url.endpoint.rstrip("/") + WELL_KNOWN)


def checked_url(name: str, url: str) -> WebURL:
    """Return a URL that may be contacted: https, or http on this very host, which a directory must still allow."""
    try:
        parsed = parse_url(url)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if "#" in url:
        raise ValueError(f"{name}: a URL without a fragment")
    if parsed.scheme != "https" and not _is_loopback(parsed.host):
        raise ValueError(f"{name}: expected an https URL; over http whoever is on the way could name the keys")
    return parsed


def is_plain_http(source: Single) -> bool:
    """Say whether a source is read over http."""
    url = source.base_url if isinstance(source, ASAPRepository) else getattr(source, "url", "")
    return url.startswith("http://")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _host(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"hosts: expected host names, got {type(name).__name__}")
    try:
        url = parse_url(f"https://{name}")
    except (TypeError, ValueError) as error:
        raise ValueError(f"hosts: {error}") from None
    if url.path != "/" or url.query:
        raise ValueError("hosts: expected host names, not URLs")
    return url.origin.removeprefix("https://")
