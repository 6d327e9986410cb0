"""The map inside a key directory: issuers, their sources, and what can be asked about them without I/O."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from signedmsg._core.directory import IssuerKeys
from signedmsg._core.events import DirectoryFailed
from signedmsg._core.freshness import Freshness
from signedmsg._core.health import KeySnapshot, worst
from signedmsg._core.known import Read
from signedmsg._core.repository import RepositoryKeys
from signedmsg._jose.jwks import JWKSet
from signedmsg.errors import KeyDirectoryError, UnknownIssuerError
from signedmsg.keys.files import read_documents
from signedmsg.keys.issuer import Issuer
from signedmsg.keys.place import Place
from signedmsg.keys.sources import ASAPRepository, is_plain_http, singles
from signedmsg.observe import log_event, quietly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from signedmsg._core.events import Event
    from signedmsg._core.health import IssuerHealth
    from signedmsg._core.policy import Trust
    from signedmsg._flows.keys import Keys
    from signedmsg._jose.jwk import PublicKey
    from signedmsg.keys.ports import AsyncPorts, BlockingPorts
    from signedmsg.keys.sources import Single

P = TypeVar("P", bound="BlockingPorts | AsyncPorts")
DEFAULT = Freshness()


class Entry(Generic[P]):
    """One issuer in a directory: what it may do, and its sources."""

    __slots__ = ("fixed", "single", "sources", "trust")

    def __init__(self, issuer: Issuer, sources: Sequence[tuple[P, Keys]]) -> None:
        self.trust = issuer.trust
        self.sources: Sequence[tuple[P, Keys]] = sources
        self.single = sources[0][1] if len(sources) == 1 else None
        self.fixed = not any(keys.held() for _, keys in sources) and not _reads_by_kid(sources)


def _reads_by_kid(sources: Sequence[tuple[Any, Keys]]) -> bool:
    return any(isinstance(keys, RepositoryKeys) for _, keys in sources)


class Issuers(Generic[P]):
    """What both faces share: the map itself, and reading every file once when built."""

    def __init__(
        self,
        *issuers: Issuer,
        client: object = None,
        freshness: Freshness = DEFAULT,
        dangerously_allow_loopback_http: bool = False,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        observe: Callable[[Event], None] | None = None,
    ) -> None:
        _check_issuers(issuers)
        if not isinstance(freshness, Freshness):
            raise TypeError(f"freshness: expected a Freshness, got {type(freshness).__name__}")
        if not dangerously_allow_loopback_http:
            _check_https(issuers)
        self._now = clock
        self._jitter = jitter
        self._freshness = freshness
        self._notice = quietly(log_event if observe is None else observe)
        fetched = any(not isinstance(one, JWKSet | Path) for issuer in issuers for one in singles(issuer.keys))
        self.fetcher = self.make_fetcher(client) if fetched or client is not None else None
        self._entries: dict[str, Entry[P]] = {issuer.id: self._entry_of(issuer) for issuer in issuers}

    def make_fetcher(self, client: Any) -> Any:
        """Return what fetches documents, over the caller's client if there is one."""
        raise NotImplementedError

    def make_ports(self, place: Place) -> P:
        """Return the ports of one source."""
        raise NotImplementedError

    def _entry_of(self, issuer: Issuer) -> Entry[P]:
        return Entry(issuer, [self._source_of(issuer.id, source) for source in singles(issuer.keys)])

    def _source_of(self, issuer: str, source: Single) -> tuple[P, Keys]:
        place = Place(
            issuer=issuer,
            source=source,
            soft=self._freshness.soft,
            now=self._now,
            jitter=self._jitter,
            notice=self._notice,
        )
        return self.make_ports(place), self._keys_of(issuer, source)

    def _keys_of(self, issuer: str, source: Single) -> Keys:
        match source:
            case JWKSet():
                return IssuerKeys.fixed(issuer, source)
            case Path():
                keys = IssuerKeys(issuer, self._freshness, inline=True)
                self._read_first(keys, source)
                return keys
            case ASAPRepository():
                return RepositoryKeys(issuer, self._freshness, rsa=source.rsa, prefix=source.prefix)
            case _:
                return IssuerKeys(issuer, self._freshness)

    def _read_first(self, keys: IssuerKeys, path: Path) -> None:
        """Read a file now, so that a wrong path or content is an error of the configuration."""
        try:
            events = keys.learn(None, Read(read_documents(path)), self._now(), 0.0)
        except KeyDirectoryError as error:
            raise ValueError(f"keys of {keys.issuer}: {error}") from error
        for event in events:
            if isinstance(event, DirectoryFailed):
                raise ValueError(f"keys of {keys.issuer}: {path}: {event.reason}")
            self._notice(event)

    def trusted(self, issuer: str) -> Trust:
        """Return what an issuer may do, without I/O.

        Raises:
            UnknownIssuerError: it is not configured here.
        """
        return self.entry(issuer).trust

    def health(self) -> Mapping[str, IssuerHealth]:
        """Return how well each issuer's keys are known now, without I/O: for a readiness probe.

        A URL that was never read is `unavailable`; `refresh` it when the process starts.
        """
        now = self._now()
        return {id: worst([keys.health(now) for _, keys in one.sources]) for id, one in self._entries.items()}

    def snapshot(self, issuer: str) -> KeySnapshot:
        """Return the keys that are held of an issuer now, without I/O.

        Raises:
            UnknownIssuerError: it is not configured here.
        """
        now = self._now()
        parts = [keys.snapshot(now) for _, keys in self.entry(issuer).sources]
        revoked = frozenset[str]().union(*(part.revoked for part in parts))
        # The first source that has a kid is the one that is asked for it.
        by_kid = {key.kid: key for part in reversed(parts) for key in part if key.kid not in revoked}
        sequence = next((part.sequence for part in parts if part.sequence is not None), None)
        age = max((part.age for part in parts if part.age is not None), default=None)
        return KeySnapshot(issuer=issuer, keys=tuple(by_kid.values()), revoked=revoked, sequence=sequence, age=age)

    def reset(self, issuer: str) -> None:
        """Let the next read bring a lower `sequence`, or none: an operator's way out of a publisher's mistake.

        The keys held stay in use until then, and what was revoked stays revoked.

        Raises:
            UnknownIssuerError: it is not configured here.
        """
        for _, keys in self.entry(issuer).sources:
            keys.reset()

    def entry(self, issuer: str) -> Entry[P]:
        """Return an issuer's entry, or raise `UnknownIssuerError`."""
        try:
            return self._entries[issuer]
        except KeyError:
            raise UnknownIssuerError("iss: not a trusted issuer") from None

    def entries(self) -> list[Entry[P]]:
        """Return every issuer's entry."""
        return list(self._entries.values())

    def at_hand(self, issuer: str, kid: str) -> PublicKey | None:
        """Return a key for which nothing needs to be done; else None, also where there is none: then `find` it."""
        entry = self._entries.get(issuer)
        return None if entry is None or entry.single is None else entry.single.at_hand(kid, self._now())

    def settled(self, issuer: str, kid: str) -> PublicKey | None:
        """Return the key where nothing is ever read; else None: then `find_key` looks.

        Raises:
            UnknownIssuerError: the issuer is not configured here.
            UnknownKeyError: nothing is ever read, and it has no such key.
        """
        entry = self.entry(issuer)
        if entry.single is None or not entry.fixed:
            return None
        now = self._now()
        found = entry.single.known(kid, now)
        if found is None:
            raise entry.single.why_not(kid, now)
        return found

    @property
    def fixed(self) -> bool:
        """Whether no source is ever read."""
        return all(entry.fixed for entry in self._entries.values())


def _check_issuers(issuers: tuple[object, ...]) -> None:
    if not issuers:
        raise ValueError("a key directory needs at least one Issuer")
    ids: set[str] = set()
    for issuer in issuers:
        if not isinstance(issuer, Issuer):
            several = "; pass them one by one: KeyDirectory(*issuers)" if type(issuer) in (list, tuple) else ""
            raise TypeError(f"expected Issuer objects, got {type(issuer).__name__}{several}")
        if issuer.id in ids:
            raise ValueError(f"issuer {issuer.id!r} stands twice")
        ids.add(issuer.id)


def _check_https(issuers: tuple[Issuer, ...]) -> None:
    for issuer in issuers:
        if any(is_plain_http(source) for source in singles(issuer.keys)):
            raise ValueError(
                f"keys of {issuer.id}: expected an https URL; "
                "for tests on one host there is dangerously_allow_loopback_http=True"
            )
