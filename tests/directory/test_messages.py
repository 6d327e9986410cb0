"""What senders see of a directory's troubles: 503 when it is ours, 401 when it is theirs, and often nothing at all."""

from __future__ import annotations

import pytest

from signedmsg import (
    AsyncReceiver,
    KeyDirectoryError,
    MemoryReplayCache,
    Receiver,
    Sender,
    SigningKey,
    UnknownKeyError,
)
from signedmsg._core.answers import answer_error
from tests.directory.faces import every_face
from tests.directory.faults import answer, document, good, reset
from tests.directory.stage import ISSUER, OTHER, A, B, C, Stage

AUDIENCE = "https://shop.example/inbox"


class Inbox:
    """A receiver whose keys come from the stage's directory, on the stage's clock."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        kind = Receiver if hasattr(stage.directory, "close") else AsyncReceiver
        cache = MemoryReplayCache(clock=lambda: stage.clock() - 3600, monotonic=lambda: 0.0)
        self._receiver = kind(AUDIENCE, stage.directory, cache, clock=stage.clock, observe=lambda event: None)

    async def take(self, key: SigningKey, issuer: str = ISSUER) -> object:
        """Sign a message now, verify it, and return its data."""
        token = Sender(issuer, key, clock=self._stage.clock).sign(1, type="invoice.paid", audience=AUDIENCE)
        done = self._receiver.verify(token)
        return (done if isinstance(self._receiver, Receiver) else await done).data  # type: ignore[misc, union-attr]


@every_face
async def test_every_message_with_a_known_key_is_verified_through_an_hour_of_outage(stage: Stage) -> None:
    await stage.warm()
    inbox = Inbox(stage)
    stage.serve(reset)
    taken = []
    for _ in range(60):
        stage.clock.advance(60)
        taken.append(await inbox.take(A))
    assert taken == [1] * 60
    assert stage.health().state == "stale"


@every_face
async def test_message_past_the_hard_limit_is_answered_503_and_not_401(stage: Stage) -> None:
    await stage.warm()
    inbox = Inbox(stage)
    stage.serve(answer(500))
    stage.clock.advance(300 + 3600 + 1)
    with pytest.raises(KeyDirectoryError) as caught:
        await inbox.take(A)
    answered = answer_error(caught.value, stage.clock())
    assert (answered.status, caught.value.public_code) == (503, "unavailable")
    assert "Retry-After" in dict(answered.headers)


@every_face
async def test_message_with_an_unknown_kid_is_answered_401_while_the_directory_is_down(stage: Stage) -> None:
    await stage.warm()
    inbox = Inbox(stage)
    stage.serve(answer(500))
    stage.clock.advance(600)
    with pytest.raises(UnknownKeyError) as caught:
        await inbox.take(B)
    assert answer_error(caught.value, stage.clock()).status == 401


@every_face
async def test_first_message_with_a_new_key_is_accepted_while_another_issuer_is_flooded(stage: Stage) -> None:
    stage.serve(good(document(A)))
    stage.serve(good(document(B)), path="/other.json")
    stage.open(stage.issuer(), stage.issuer(OTHER, "/other.json"))
    inbox = Inbox(stage)
    await inbox.take(A)
    await inbox.take(B, OTHER)
    await stage.flood(200, seconds=30)
    stage.serve(good(document(B, C)), path="/other.json")
    assert await inbox.take(C, OTHER) == 1


@every_face
async def test_first_message_with_a_new_key_is_accepted_right_after_the_first_read(stage: Stage) -> None:
    await stage.warm()
    inbox = Inbox(stage)
    stage.serve(good(document(A, B)))
    stage.clock.advance(1)
    assert await inbox.take(B) == 1


@every_face
async def test_two_rotations_within_a_minute_are_both_followed_at_their_first_message(stage: Stage) -> None:
    await stage.warm()
    inbox = Inbox(stage)
    for key in (B, C):
        stage.serve(good(document(A, key)))
        stage.clock.advance(10)
        assert await inbox.take(key) == 1
