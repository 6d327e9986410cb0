"""A router with an inbox: wrong configurations are refused when built, and each message runs once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from signedmsg import (
    AsyncLease,
    ConflictError,
    DeferredError,
    HandlerError,
    Lease,
    LeaseLostError,
    MemoryInbox,
    Message,
    Reject,
    RejectedError,
    RetryLater,
    Router,
)
from signedmsg.observe import (
    Event,
    HandlerDeferred,
    HandlerFailed,
    HandlerRejected,
    MessageAccepted,
    MessageDuplicate,
    MessageRefused,
)

from .peers import NOW, async_receiver, receiver, shared_receiver, sign

if TYPE_CHECKING:
    from collections.abc import Callable


class Stub:
    """An inbox by its attributes alone."""

    def __init__(self, **says: Any) -> None:
        says = {"waits": "blocks", "transactional": True, "queues": True, "durable": True, "shared": True} | says
        self.name, self.retention = "stub", 86_400.0
        self.__dict__.update(says)

    def begin(self, *_: object) -> None: ...

    commit = release = reject = renew = forget = enqueue = take = bury = transaction = begin


class Threaded(Stub):
    in_thread = Stub.begin


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: Router(mode="lease"), "inbox"),  # type: ignore[call-overload]
    (lambda: Router(queued=True), "inbox"),  # type: ignore[call-overload]
    (lambda: Router(object(), mode="lease"), "inbox"),  # type: ignore[call-overload]
    (lambda: Router(MemoryInbox, mode="lease"), "inbox"),  # type: ignore[call-overload]
    (lambda: Router(Stub(waits="soon"), mode="lease"), "how it waits"),  # type: ignore[call-overload]
    (lambda: Router(MemoryInbox()), "mode"),  # type: ignore[call-overload]
    (lambda: Router(MemoryInbox(), mode="once"), "mode"),  # type: ignore[call-overload]
    (lambda: Router(MemoryInbox(), mode="transaction"), "mode"),  # type: ignore[call-overload]
    (lambda: Router(MemoryInbox(), mode="lease", queued=True), "queued"),
    (lambda: Router(Stub(durable=False), mode="lease", queued=True), "queued"),  # type: ignore[call-overload]
    (lambda: Router(MemoryInbox(), mode="lease", lease=0), "lease"),
    (lambda: Router(MemoryInbox(), mode="lease", lease=float("nan")), "lease"),
    (lambda: Router(MemoryInbox(), mode="lease", lease=True), "lease"),
]


@pytest.mark.parametrize(("build", "names"), WRONG, ids=range(len(WRONG)))
def test_wrong_router_fails_when_it_is_built_and_says_what_is_wrong(build: Callable[[], Any], names: str) -> None:
    with pytest.raises((TypeError, ValueError), match=names):
        build()


def takes_nothing() -> None: ...
def takes_one(message: Message[Any]) -> None: ...
def takes_two(message: Message[Any], more: object) -> None: ...
def takes_three(message: Message[Any], more: object, most: object) -> None: ...
async def awaited_two(message: Message[Any], more: object) -> None: ...


LEASED = functools.partial(Router, MemoryInbox(), mode="lease")
IN_TRANSACTION = functools.partial(Router, Stub(), mode="transaction")
ASYNC_TRANSACTION = functools.partial(Router, Stub(waits="suspends"), mode="transaction")
THREADED = functools.partial(Router, Threaded(waits="suspends"), mode="transaction")

HANDLERS = [
    (Router, takes_two, "one argument"),
    (LEASED, takes_nothing, "the lease if it wants"),
    (LEASED, takes_three, "the lease if it wants"),
    (IN_TRANSACTION, takes_one, "the connection"),
    (IN_TRANSACTION, takes_three, "the connection"),
    (IN_TRANSACTION, awaited_two, "async handler"),
    (ASYNC_TRANSACTION, takes_two, "coroutine function"),
    (THREADED, awaited_two, "plain function"),
]


@pytest.mark.parametrize(("make", "handler", "says"), HANDLERS, ids=range(len(HANDLERS)))
def test_handler_that_could_not_use_what_it_is_given_is_refused(
    make: Callable[[], Any], handler: Callable[..., object], says: str
) -> None:
    with pytest.raises(TypeError, match=says):
        make().on("t")(handler)
    with pytest.raises(TypeError, match=says):
        make().fallback(handler)


@pytest.mark.parametrize(
    ("make", "handler"),
    [
        (Router, takes_one),
        (LEASED, takes_one),
        (LEASED, takes_two),
        (LEASED, awaited_two),
        (IN_TRANSACTION, takes_two),
        (ASYNC_TRANSACTION, awaited_two),
        (THREADED, takes_two),
    ],
    ids=range(7),
)
def test_handler_that_fits_is_returned_as_it_was(make: Callable[[], Any], handler: Callable[..., object]) -> None:
    assert make().on("t")(handler) is handler


def test_blocking_receiver_refuses_an_async_inbox_and_an_async_one_a_blocking_inbox() -> None:
    with pytest.raises(TypeError, match="is async, and this endpoint blocks"):
        receiver().check_router(ASYNC_TRANSACTION())
    with pytest.raises(TypeError, match="blocks, and this endpoint is async"):
        async_receiver().check_router(IN_TRANSACTION())


def test_receiver_of_several_processes_refuses_an_inbox_of_one() -> None:
    with pytest.raises(ValueError, match="lives in one process"):
        shared_receiver(processes=4).check_router(LEASED())


class Book:
    """Notes events and what handlers were given."""

    def __init__(self, raises: Exception | None = None) -> None:
        self.events: list[Event] = []
        self.given: list[Any] = []
        self.raises = raises

    def __call__(self, message: Message[Any], lease: Lease) -> None:
        self.given.append((message.id, lease.fence, lease.attempt))
        if self.raises is not None:
            raise self.raises

    def kinds(self) -> list[type[Event]]:
        return [type(event) for event in self.events]


def leased(book: Book) -> Router:
    router = Router(MemoryInbox(), mode="lease")
    router.fallback(book)
    return router


def plain(book: Book) -> Router:
    router = Router()

    @router.fallback
    def run(message: Message[Any]) -> None:
        if book.raises is not None:
            raise book.raises

    return router


def test_message_is_handled_once_and_its_retry_is_a_duplicate() -> None:
    book = Book()
    router, into = leased(book), receiver(observe=book.events.append)
    first = into.handle(sign({"n": 1}, id="m-1"), router)
    assert (first.duplicate, first.status) == (False, 204)
    assert book.given == [("m-1", 1, 1)]
    assert book.kinds() == [MessageAccepted]


def test_retry_is_a_duplicate_with_the_first_answers_status() -> None:
    book = Book()
    router, into = leased(book), receiver(observe=book.events.append)
    for _ in range(3):
        outcome = into.handle(sign({"n": 1}, id="m-1", time=NOW), router)
    assert (outcome.duplicate, outcome.status) == (True, 204)
    assert len(book.given) == 1
    assert book.kinds() == [MessageAccepted, MessageAccepted, MessageDuplicate, MessageAccepted, MessageDuplicate]


def test_same_id_with_other_content_is_a_conflict() -> None:
    book = Book()
    router, into = leased(book), receiver(observe=book.events.append)
    into.handle(sign({"n": 1}, id="m-1", time=NOW), router)
    with pytest.raises(ConflictError) as refused:
        into.handle(sign({"n": 2}, id="m-1", time=NOW), router)
    assert refused.value.code == "message_id_conflict"
    assert book.kinds()[-1] is MessageRefused


@pytest.mark.parametrize(
    ("raised", "answered", "code", "event"),
    [
        (ValueError("no"), HandlerError, "handler_error", HandlerFailed),
        (RetryLater(90), DeferredError, "deferred", HandlerDeferred),
        (Reject("no_such_account"), RejectedError, "rejected", HandlerRejected),
    ],
)
@pytest.mark.parametrize("make", [leased, plain])
def test_what_a_handler_raises_becomes_the_answer(
    raised: Exception, answered: type[Any], code: str, event: type[Event], make: Callable[[Book], Router]
) -> None:
    book = Book(raised)
    with pytest.raises(answered) as told:
        receiver(observe=book.events.append).handle(sign({"n": 1}), make(book))
    assert told.value.code == code
    assert book.kinds() == [MessageAccepted, event]
    if isinstance(told.value, DeferredError):
        assert told.value.retry_after == 90
    if isinstance(told.value, RejectedError):
        assert told.value.reason == "no_such_account"


def test_failed_message_runs_again_with_a_higher_fence_and_attempt() -> None:
    book = Book(ValueError("no"))
    router, into = leased(book), receiver(observe=book.events.append)
    with pytest.raises(HandlerError):
        into.handle(sign({"n": 1}, id="m-1", time=NOW), router)
    book.raises = None
    into.handle(sign({"n": 1}, id="m-1", time=NOW), router)
    assert book.given == [("m-1", 1, 1), ("m-1", 2, 2)]


def test_rejected_message_is_answered_the_same_way_again_without_running() -> None:
    book = Book(Reject("no_such_account"))
    router, into = leased(book), receiver()
    reasons = []
    for _ in range(2):
        with pytest.raises(RejectedError) as told:
            into.handle(sign({"n": 1}, id="m-1", time=NOW), router)
        reasons.append(told.value.reason)
    assert reasons == ["no_such_account"] * 2
    assert len(book.given) == 1


@pytest.mark.parametrize("reason", ["", "Two words", "UPPER", "x" * 65, "é", None, 7])
def test_reason_of_a_rejection_is_one_plain_word(reason: Any) -> None:
    with pytest.raises(ValueError, match="reason"):
        Reject(reason)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 86_401, True, "60"])
def test_retry_later_takes_a_second_to_a_day(seconds: Any) -> None:
    with pytest.raises(ValueError, match="seconds"):
        RetryLater(seconds)


def test_handler_renews_its_lease_and_learns_that_it_lost_it() -> None:
    inbox = MemoryInbox()
    router = Router(inbox, mode="lease")
    lost: list[Exception] = []

    @router.on("t")
    def run(message: Message[Any], lease: Lease) -> None:
        lease.renew()
        lease.renew(30)
        with pytest.raises(ValueError, match="lease"):
            lease.renew(0)
        # As an operator's mistake would: the row is another's, or gone.
        inbox._rows.clear()
        try:
            lease.renew()
        except LeaseLostError as error:
            lost.append(error)
            raise

    with pytest.raises(LeaseLostError) as told:
        receiver().handle(sign({"n": 1}, type="t"), router)
    assert lost == [told.value]
    assert told.value.public_code == "in_progress"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_receiver_gives_each_colour_a_lease_it_can_renew(backend: str) -> None:
    router = Router(MemoryInbox(), mode="lease")
    given: list[str] = []

    @router.on("plain")
    def run(message: Message[Any], lease: Lease) -> None:
        lease.renew(30)
        given.append(type(lease).__mro__[1].__name__)

    @router.on("awaited")
    async def run_async(message: Message[Any], lease: AsyncLease) -> None:
        await lease.renew(30)
        given.append(type(lease).__name__)

    async def work() -> None:
        into = async_receiver()
        for kind in ("plain", "awaited"):
            await into.handle(sign({"n": 1}, type=kind), router)

    anyio.run(work, backend=backend)
    assert given == ["Lease", "AsyncLease"]


def test_redelivered_token_runs_once_by_the_word_of_the_inbox() -> None:
    book = Book()
    router, into = leased(book), receiver(observe=book.events.append)
    token = sign({"n": 1}, id="m-1", time=NOW)
    outcomes = [into.handle(token, router, received_at=NOW) for _ in range(3)]
    assert [outcome.duplicate for outcome in outcomes] == [False, True, True]
    assert len(book.given) == 1


def test_received_at_needs_an_inbox_and_a_moment_in_the_past() -> None:
    with pytest.raises(TypeError, match="received_at"):
        receiver().handle(sign({"n": 1}), plain(Book()), received_at=NOW)
    for moment in (0.0, NOW + 3600, float("nan")):
        with pytest.raises(ValueError, match="received_at"):
            receiver().handle(sign({"n": 1}), leased(Book()), received_at=moment)
