"""One sender and one receiver that know each other, with a clock that tests set."""

from __future__ import annotations

from typing import Any, Final

from signedmsg import (
    AsyncReceiver,
    Issuer,
    JWKSet,
    KeyDirectory,
    MemoryReplayCache,
    Receiver,
    Sender,
    SigningKey,
)

NOW: Final = 1_800_000_000.25
ISSUER: Final = "https://billing.example"
AUDIENCE: Final = "https://shop.example/inbox"
KEY: Final = SigningKey.generate()


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def sender(**options: Any) -> Sender:
    return Sender(ISSUER, options.pop("key", KEY), **{"clock": Clock(), **options})


def sign(data: object = 42, **options: Any) -> str:
    """Return a token for the receiver below, made now."""
    clock = options.pop("clock", Clock())
    return sender(clock=clock).sign(data, **{"type": "invoice.paid", "audience": AUDIENCE, **options})


def trusted(**options: Any) -> Issuer:
    return Issuer(ISSUER, **{"allow": ["*"], "keys": JWKSet(KEY.public), **options})


def memory(**options: Any) -> MemoryReplayCache:
    """Return a cache that was made an hour ago."""
    return MemoryReplayCache(**{"clock": lambda: NOW - 3600, "monotonic": lambda: 0.0, **options})


def ignore(_: object) -> None:
    """Observe nothing."""


def receiver(cache: Any = None, **options: Any) -> Receiver:
    directory = options.pop("directory", None) or KeyDirectory(trusted())
    cache = memory() if cache is None else cache
    return Receiver(AUDIENCE, directory, cache, **{"clock": Clock(), "observe": ignore, **options})


def async_receiver(cache: Any = None, **options: Any) -> AsyncReceiver:
    directory = options.pop("directory", None) or KeyDirectory(trusted())
    cache = memory() if cache is None else cache
    return AsyncReceiver(AUDIENCE, directory, cache, **{"clock": Clock(), "observe": ignore, **options})


def shared_receiver(**options: Any) -> Receiver:
    """Return a receiver whose replay cache is shared by all processes of the host, as it says."""
    cache = memory()
    cache.shared = True
    return receiver(cache, **options)
