"""One trusted issuer: who it is, where its keys are, and what it may send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from signedmsg._core.policy import Trust
from signedmsg.keys.sources import source_of, well_known

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from signedmsg.keys.sources import Source


@dataclass(frozen=True, slots=True, init=False)
class Issuer:
    """One trusted issuer: who it is, where its keys are, and what it may send.

    Args:
        id: the `iss` it signs with, compared code point by code point.
        allow: patterns of message types it may send: exact (`invoice.paid`), a prefix
            (`invoice.*`) or everything (`*`, which means calls as well). Patterns of calls have
            a space: a method or `*`, then a path or everything below one (`GET /v1/*`), as
            the caller sees it and percent-encoded. Required: trusting a key says nothing
            yet about what it may be used for.
        keys: where its public keys are: the https URL of a key directory document or JWK
            Set; the path of a file or folder of them, read again when they change, at most
            once a second; a `JWKSet`; or a source, such as `Metadata`, `ASAPRepository` or
            a `Chain`. None means `<id>/.well-known/signedmsg/keys.json`.
        algorithms: the JWS algorithms accepted from it; None accepts that of each key.

    Raises:
        TypeError, ValueError: with every problem named at once.
    """

    id: str
    keys: Source
    trust: Trust

    def __init__(
        self,
        id: str,
        *,
        allow: Iterable[str],
        keys: Source | str | os.PathLike[str] | None = None,
        algorithms: Iterable[str] | None = None,
    ) -> None:
        if isinstance(id, str) and "*" in id:
            raise ValueError("id: an issuer is one name, not a pattern: trust in unknown issuers is never implied")
        put = object.__setattr__
        put(self, "id", id)
        put(self, "trust", Trust(id, cast("tuple[str, ...]", allow), cast("frozenset[str] | None", algorithms)))
        put(self, "keys", well_known(id) if keys is None else source_of(keys))
