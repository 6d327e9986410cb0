"""Receivers of calls made by hand, and what presents a call to both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from signedmsg import AsyncReceiver, KeyDirectory, MemoryReplayCache, Receiver
from tests.conformance.requests import ORIGIN, Arrival
from tests.conformance.table import issuer
from tests.conformance.tokens import NOW, key

from .peers import Clock, ignore

if TYPE_CHECKING:
    from signedmsg import Call


def directory(**options: Any) -> KeyDirectory:
    return KeyDirectory(issuer(key("ES256").jwk(), **options))


def _options(options: dict[str, Any]) -> tuple[Any, ...]:
    audience = options.pop("audience", ORIGIN)
    trusted = options.pop("directory", None) or directory()
    cache = options.pop("cache", None) or MemoryReplayCache(clock=lambda: NOW - 3600, monotonic=lambda: 0.0)
    return audience, trusted, cache


def receiver(**options: Any) -> Receiver:
    parts = _options(options)
    return Receiver(*parts, **{"clock": Clock(NOW), "observe": ignore, **options})


def async_receiver(**options: Any) -> AsyncReceiver:
    parts = _options(options)
    return AsyncReceiver(*parts, **{"clock": Clock(NOW), "observe": ignore, **options})


def verify(arrival: Arrival, *model: Any, **options: Any) -> Call[Any]:
    """Return the call, which is the same at both faces."""
    parts = (arrival.method, arrival.target, arrival.all_headers, arrival.body, *model)
    call = receiver(**options).verify_request(*parts)
    other = anyio.run(async_receiver(**options).verify_request, *parts)
    assert seen(other) == seen(call)
    return call


def seen(call: Call[Any]) -> dict[str, object]:
    return {name: getattr(call, name) for name in type(call).__slots__}


def opened(arrival: Arrival, **options: Any) -> Any:
    return receiver(**options).open_request(arrival.method, arrival.target, arrival.all_headers)
