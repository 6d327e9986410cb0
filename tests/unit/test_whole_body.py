"""A body that comes in one event is taken as it is; any other is read as before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from signedmsg._doors import read_body, whole_body

CAP = 4


def event(body: Any = b"", **more: Any) -> dict[str, Any]:
    return {"type": "http.request", "body": body, **more}


def read(*events: dict[str, Any]) -> bytes | None:
    """Read as a door does: the first event by itself, and then what is left."""

    async def main() -> bytes | None:
        waiting = iter(events)

        async def receive() -> dict[str, Any]:
            return next(waiting)

        first = await receive()
        body = whole_body(first, CAP)
        return await read_body(receive, CAP, first) if body is None else body

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([event(b"1234")], b"1234"),
        ([{"type": "http.request"}], b""),
        ([event(b"12", more_body=True), event(b"34")], b"1234"),
        ([event(b"12", more_body=True), event(b"", more_body=True), event(b"3")], b"123"),
        ([event(b"12345678")], b"12345"),
        ([event(b"123", more_body=True), event(b"4567", more_body=True)], b"12345"),
        ([event(bytearray(b"12"))], b"12"),
        ([event(b"12", more_body=True), {"type": "http.disconnect"}], None),
        ([{"type": "http.disconnect"}], None),
    ],
)
def test_body_is_read_up_to_one_byte_beyond_the_cap(events: list[dict[str, Any]], expected: bytes | None) -> None:
    assert read(*events) == expected


def test_whole_body_leaves_what_is_too_long_to_the_reader() -> None:
    assert whole_body(event(b"12345"), CAP) is None
