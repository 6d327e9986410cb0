"""What a row about a call is, and how it is presented to both faces, at once and in the two steps of a door."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from signedmsg import AsyncKeyDirectory, AsyncReceiver, Call, KeyDirectory, Receiver, SignedMessageError

from .requests import ORIGIN, Arrival
from .table import AsyncRecording, Recording, Setup

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS: Final = Setup(audience=ORIGIN)


class CallRow(NamedTuple):
    """One way to be wrong, the code it is refused with and, for `binding`, what differs."""

    id: str
    code: str
    arrival: Arrival
    component: str = ""
    setup: Setup = CALLS
    before: tuple[Arrival, ...] = ()


class Result(NamedTuple):
    """What a face made of a row: a call or an error, what its replay cache saw, and whether the body was asked for."""

    outcome: Call[Any] | SignedMessageError
    asked: int
    admitted: int
    opened: bool


def _quiet(_: object) -> None:
    """Observe nothing."""


def _model(setup: Setup) -> tuple[type[Any], ...]:
    return () if setup.model is None else (setup.model,)


def at_once(row: CallRow) -> Result:
    """Present a row to `Receiver.verify_request`."""
    setup = row.setup
    cache = Recording(setup.store())
    directory = setup.directory_for(KeyDirectory)
    face = Receiver(setup.audience, directory, cache, clock=lambda: setup.now, observe=_quiet, **setup.options)

    def take(one: Arrival) -> Call[Any]:
        return face.verify_request(one.method, one.target, one.all_headers, one.body, *_model(setup))

    for earlier in row.before:
        take(earlier)
    try:
        return Result(take(row.arrival), cache.asked, cache.admitted, opened=True)
    except SignedMessageError as error:
        return Result(error, cache.asked, cache.admitted, opened=True)


def in_steps(row: CallRow) -> Result:
    """Present a row to `AsyncReceiver.open_request` and `finish`, as a door does."""
    return asyncio.run(_in_steps(row))


async def _in_steps(row: CallRow) -> Result:
    setup = row.setup
    cache = AsyncRecording(setup.store())
    directory = setup.directory_for(AsyncKeyDirectory)
    face = AsyncReceiver(setup.audience, directory, cache, clock=lambda: setup.now, observe=_quiet, **setup.options)
    opened = False

    async def take(one: Arrival) -> Call[Any]:
        nonlocal opened
        opened = False
        head = await face.open_request(one.method, one.target, one.all_headers)
        opened = True
        if isinstance(one.body, bytes) and len(one.body) > head.max_body:
            raise head.too_large()
        return await head.finish(one.body, *_model(setup))

    for earlier in row.before:
        await take(earlier)
    try:
        return Result(await take(row.arrival), cache.asked, cache.admitted, opened)
    except SignedMessageError as error:
        return Result(error, cache.asked, cache.admitted, opened)


FACES: Final[tuple[Callable[[CallRow], Result], ...]] = (at_once, in_steps)
