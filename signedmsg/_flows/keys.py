"""Find a key in an issuer's sources, reading one when that could change the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from signedmsg._core.events import DirectoryFailed, FloodSuppressed
from signedmsg.errors import KeyDirectoryError, UnknownKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from contextlib import AbstractAsyncContextManager

    from signedmsg._core.directory import IssuerKeys
    from signedmsg._core.events import Event
    from signedmsg._core.known import Read, Validator
    from signedmsg._core.repository import RepositoryKeys
    from signedmsg._jose.jwk import PublicKey

    Keys = IssuerKeys | RepositoryKeys


class KeyPorts(Protocol):
    """What finding a key in one source needs from the world."""

    def now(self) -> float:
        """Return the time in seconds."""
        ...

    def jitter(self) -> float:
        """Return a random number in [0, 1)."""
        ...

    def busy(self) -> bool:
        """Say whether somebody holds the source's lock."""
        ...

    def reading(self) -> AbstractAsyncContextManager[object]:
        """Hold the source's lock: one read at a time."""
        ...

    async def read(self, kid: str | None, validator: Validator | None) -> Read:
        """Read the source, or raise `KeyDirectoryError`."""
        ...

    def start(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Do this work beside the caller, unless it, or too much else, is under way. Never waits, never raises."""
        ...

    def notice(self, event: Event, /) -> None:
        """Tell the observer; it never raises."""
        ...


async def find_key(sources: Sequence[tuple[KeyPorts, Keys]], kid: str) -> PublicKey:
    """Return the issuer's key of that kid: what is known first, in the order of the sources; then what can be read.

    Raises:
        UnknownKeyError: every source is known and none has such a key, or one has revoked it.
        KeyDirectoryError: it is in none that is known, and at least one is not known.
    """
    refuse_revoked(sources, kid)
    for ports, keys in sources:
        found = await _recall(ports, keys, kid)
        if found is not None:
            return found
    failure: UnknownKeyError | KeyDirectoryError | None = None
    for ports, keys in sources:
        try:
            found = await _search(ports, keys, kid)
        except KeyDirectoryError as error:
            # Ours beats theirs: the source that cannot be read could have the key.
            failure = error if failure is None or isinstance(failure, UnknownKeyError) else failure
        except UnknownKeyError as error:
            failure = failure or error
        else:
            return found
    refuse_revoked(sources, kid)
    raise failure or KeyDirectoryError("the issuer has no source of keys")


def refuse_revoked(sources: Sequence[tuple[KeyPorts, Keys]], kid: str) -> None:
    """Raise if any source has revoked the key, whichever others have it."""
    for _, keys in sources:
        if kid in keys.revoked:
            raise UnknownKeyError("the key is revoked", code="key_not_valid")


async def _recall(ports: KeyPorts, keys: Keys, kid: str) -> PublicKey | None:
    """Return a key that is known, and see to it that what is known is read again in time.

    Nobody waits for that, unless the set outlived its soft lifetime while nobody asked.
    """
    now = ports.now()
    found = keys.known(kid, now)
    if found is None or not keys.due(kid, now):
        return found
    if not keys.inline:
        if not keys.outlived(kid, now, busy=ports.busy()):
            ports.start(lambda: read_ahead(ports, keys, kid))
            return found
        await _read_in_turn(ports, keys, _part(keys, kid), lambda: keys.outlived(kid, ports.now(), busy=False))
        return keys.known(kid, ports.now())
    if ports.busy():
        return found
    await _read_in_turn(ports, keys, None, lambda: keys.due(kid, ports.now()))
    return keys.known(kid, ports.now())


async def _search(ports: KeyPorts, keys: Keys, kid: str) -> PublicKey:
    """Return a key that is not known, after at most one read: this caller's own, or one it waited for."""
    now = ports.now()
    before = keys.mark(kid, now)

    def wanted() -> bool:
        return keys.mark(kid, now) == before and keys.worth_reading(kid, ports.now())

    if keys.worth_reading(kid, now) or (ports.busy() and keys.worth_waiting(kid, now)):
        # Whoever held the lock before has read what this caller is looking for, unless it was cancelled.
        await _read_in_turn(ports, keys, kid, wanted)
    after = ports.now()
    found = keys.known(kid, after)
    if found is not None:
        return found
    if keys.suppresses(kid, after):
        ports.notice(FloodSuppressed(issuer=keys.issuer))
    raise keys.why_not(kid, after)


async def read_ahead(ports: KeyPorts, keys: Keys, kid: str) -> None:
    """Read again what grows old, before anybody has to wait for it."""
    await _read_in_turn(ports, keys, _part(keys, kid), lambda: keys.due(kid, ports.now()))


def _part(keys: Keys, kid: str) -> str | None:
    """Return what to read of a source to know this kid again: None, the whole, but of a repository the kid alone."""
    return None if keys.held() == (None,) else kid


async def refresh(sources: Sequence[tuple[KeyPorts, Keys]]) -> None:
    """Read every source now, whatever the budgets say.

    Raises:
        KeyDirectoryError: one could not be read, or its document was not taken.
    """
    problems: list[str] = []
    for ports, keys in sources:
        for kid in keys.held():
            problem = await _read_in_turn(ports, keys, kid, lambda: True)
            if problem is not None:
                problems.append(problem)
    if problems:
        raise KeyDirectoryError("; ".join(problems))


async def _read_in_turn(ports: KeyPorts, keys: Keys, kid: str | None, wanted: Callable[[], bool]) -> str | None:
    """Read a source under its lock, if that is still wanted then. Return why it failed, if it did.

    The observer is told after the lock is let go: it may look keys up itself, or refresh.
    """
    events: list[Event] = []
    async with ports.reading():
        if wanted():
            events = await _read(ports, keys, kid)
    for event in events:
        ports.notice(event)
    return next((event.reason for event in events if isinstance(event, DirectoryFailed)), None)


async def _read(ports: KeyPorts, keys: Keys, kid: str | None) -> list[Event]:
    """Read a source once and take in what it says; the caller holds its lock."""
    keys.begin(kid, ports.now())
    # A cancelled reader leaves no mark, so the next caller reads at once; only the budget remembers it.
    try:
        got = await ports.read(kid, keys.validator(kid))
    except KeyDirectoryError as error:
        return keys.failed(kid, str(error), ports.now(), ports.jitter(), asked=error.retry_after)
    except Exception as error:  # noqa: BLE001 - from somebody's own client: a failure like any other
        return keys.failed(kid, f"it raised {type(error).__name__}", ports.now(), ports.jitter())
    return keys.learn(kid, got, ports.now(), ports.jitter())
