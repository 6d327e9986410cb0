"""Many clients at once: one token has one winner, and different ones do not disturb each other."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .stage import token

if TYPE_CHECKING:
    from .conftest import Door

CLIENTS = 64


def post_at_once(door: Door, tokens: list[str]) -> Counter[int]:
    start = threading.Barrier(len(tokens))

    def post(one: str) -> int:
        start.wait(30)
        return door.post(one).status_code

    with ThreadPoolExecutor(len(tokens)) as pool:
        return Counter(pool.map(post, tokens))


def test_token_posted_by_64_clients_at_once_is_accepted_once(door: Door) -> None:
    stage = door.open()
    assert post_at_once(door, [token()] * CLIENTS) == {204: 1, 409: CLIENTS - 1}
    assert len(stage.handled) == 1


def test_64_tokens_posted_at_once_are_all_handled_once(door: Door) -> None:
    stage = door.open()
    assert post_at_once(door, [token() for _ in range(CLIENTS)]) == {204: CLIENTS}
    assert len({message.jti for message in stage.handled}) == len(stage.handled) == CLIENTS
