"""Receiver and AsyncReceiver: verify tokens, once each; two faces over one flow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from signedmsg._core.call_policy import DEFAULT_MAX_BODY, DEFAULT_SCHEME, calls_of
from signedmsg._core.clock import check_clock, check_function
from signedmsg._core.payload import Models, fit
from signedmsg._core.policy import (
    DEFAULT_LEEWAY,
    MAX_LIFETIME,
    MAX_TOKEN_SIZE,
    PlainTokens,
    ReceivePolicy,
    check,
)
from signedmsg._flows.handle import Outcome, handle
from signedmsg._flows.receive import receive
from signedmsg._flows.run import run
from signedmsg._jose.shown import shown
from signedmsg._receive_ports import AsyncPorts, BlockingPorts, time_now
from signedmsg._take_calls import AsyncTakesCalls, TakesCalls
from signedmsg.observe import Event, log_event, logs_all, quietly
from signedmsg.router import Router

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.message import Content, Message
    from signedmsg._flows.ports import AsyncReplayCache, ReplayCache
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg.keys.directory import AsyncKeyDirectory, KeyDirectory

T = TypeVar("T")
D = TypeVar("D", bound="KeyDirectory | AsyncKeyDirectory")
R = TypeVar("R", bound="ReplayCache | AsyncReplayCache")


class _Receiver(Generic[D, R]):
    """What both faces share: the policy, the models, and the checks of a configuration."""

    _accepts: ClassVar[tuple[str, ...]]
    _instead: ClassVar[str]

    def __init__(
        self,
        audience: str,
        directory: D,
        replay: R,
        *,
        processes: int = 1,
        leeway: float = DEFAULT_LEEWAY,
        max_lifetime: int = MAX_LIFETIME,
        max_size: int = MAX_TOKEN_SIZE,
        account: str | None = None,
        tokens: PlainTokens | None = None,
        external_url: str | None = None,
        scheme: str = DEFAULT_SCHEME,
        max_body: int = DEFAULT_MAX_BODY,
        clock: Callable[[], float] = time.time,
        observe: Callable[[Event], None] | None = None,
    ) -> None:
        self.policy = ReceivePolicy(audience, leeway, max_lifetime, max_size, account, tokens)
        self._check_port("directory", directory, "a KeyDirectory", ("find", "trusted"))
        self._check_port("replay", replay, "a replay cache, such as SQLiteReplayCache", ("add",))
        check((_problem_of_processes(processes, replay),))
        check_clock(clock)
        if observe is not None:
            check_function("observe", observe, "that takes an event")
        self._call_policy = calls_of(self.policy, external_url, scheme, max_body)
        self.clock = clock
        self._processes = processes
        self._router: Router | None = None
        self._models = Models()
        self._fits: dict[object, Callable[[Content], Any]] = {}
        self.notice = quietly(log_event if observe is None else observe)
        self.listens = logs_all if observe is None else _always
        self._connect(directory, replay)

    def _connect(self, directory: D, replay: R) -> None:
        raise NotImplementedError

    def _check_port(self, name: str, port: object, expected: str, methods: tuple[str, ...]) -> None:
        if isinstance(port, type) or not all(callable(getattr(port, method, None)) for method in methods):
            raise TypeError(f"{name}: expected {expected}, got {_kind(port)}")
        waits = getattr(port, "waits", None)
        if waits not in self._accepts:
            raise TypeError(
                f"{name}: {type(port).__name__} {f'says it {waits}' if waits else 'does not say how it waits'}, "
                f"which does not fit {type(self).__name__}; {self._instead}"
            )

    def check_router(self, router: Router) -> None:
        """Raise TypeError or ValueError when the router does not fit; a door asks when it is built."""
        if not isinstance(router, Router):
            raise TypeError(f"router: expected a Router, got {type(router).__name__}")
        self._check_colour(router)
        if self._processes > 1 and router.inbox is not None and router.inbox.shared is not True:
            raise ValueError(
                f"inbox: {type(router.inbox).__name__} lives in one process, so each of {self._processes} processes "
                "would run the same message once; use a shared one, such as SQLiteInbox"
            )

    def _check_colour(self, router: Router) -> None:
        raise NotImplementedError

    def _check_call(self, router: Router, received_at: float | None) -> None:
        if router is not self._router:
            self.check_router(router)
            self._router = router
        if received_at is None:
            return
        if router.processing is None:
            raise TypeError("received_at: needs a router with an inbox, which tells a message from its copies")
        if not 0 < received_at <= time_now(self.clock) + self.policy.leeway:
            raise ValueError("received_at: expected Unix seconds in the past")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.policy.audience!r}>"

    def _fit(self, model: type[object] | None) -> Callable[[Content], Any]:
        if model is None:
            return _data
        try:
            made = self._fits.get(model)
        except TypeError:
            # Not hashable, so it cannot be in the book: the models say what is wrong with it.
            made = None
        if made is None:
            validator = self._models.of(model)
            made = self._fits[model] = lambda content: fit(content.data, validator, content.written)
        return made


def _always() -> bool:
    return True


def _data(content: Content) -> JSONValue:
    return content.data


def _kind(port: object) -> str:
    return f"the class {port.__name__}" if isinstance(port, type) else type(port).__name__


def _problem_of_processes(processes: object, replay: object) -> str | None:
    if type(processes) is not int or processes < 1:
        return f"processes: expected a whole number of at least 1, got {shown(processes)}"
    if processes > 1 and getattr(replay, "shared", None) is not True:
        return (
            f"replay: {type(replay).__name__} lives in one process, so each of {processes} processes "
            "would accept the same token once; use a shared one, such as SQLiteReplayCache"
        )
    return None


class Receiver(_Receiver["KeyDirectory", "ReplayCache"], TakesCalls):
    """Verifies messages for one audience; blocking, and safe to use from many threads.

    Args:
        audience: this endpoint's own URL without query, or any other name agreed on: the
            `aud` that tokens must carry. Taken from configuration, never from a request.
        directory: who is trusted, with which keys, to send what.
        replay: where the ids of accepted tokens are kept, so that each is accepted once.
            There is no default: `SQLiteReplayCache` serves all processes of a host,
            `MemoryReplayCache` one process.
        processes: how many processes share this audience; with more than one a
            process-local replay cache is refused.
        leeway: how far clocks may differ, in seconds, at most 60.
        max_lifetime: the longest `exp - iat` accepted, in seconds, at most 300.
        max_size: the largest token read, in bytes; checked before any decoding.
        account: the account whose messages this endpoint takes, where the issuer is a
            platform that signs for many customers. Set it wherever that is so: else one
            customer can have another's messages sent here.
        tokens: accept JWTs of a plainer shape instead of envelopes.
        external_url: for calls, where callers reach this service's root: an origin, or an origin
            and the path that a proxy strips. Neither comes from `Host` or `X-Forwarded-*`. None
            means the audience, when that is an origin.
        scheme: for calls, the authentication scheme of the Authorization field.
        max_body: for calls, the largest body, in bytes.
        clock: the time in Unix seconds.
        observe: called with each event; by default they are logged.

    Raises:
        TypeError, ValueError: the configuration is wrong.
    """

    _accepts = ("never", "blocks")
    _instead = "use the blocking KeyDirectory and replay cache, or an AsyncReceiver"

    def _connect(self, directory: KeyDirectory, replay: ReplayCache) -> None:
        self._ports = self._call_ports = BlockingPorts(self, directory, replay)

    def _check_colour(self, router: Router) -> None:
        router.require_blocking()

    @overload
    def verify(self, token: str | bytes) -> Message[JSONValue]: ...
    @overload
    def verify(self, token: str | bytes, model: type[T]) -> Message[T]: ...
    def verify(self, token: str | bytes, model: type[Any] | None = None) -> Message[Any]:
        """Verify a token, record its id, and return its message.

        Whatever is passed as the token, only the errors below are raised. Refused tokens
        leave the replay cache as it was.

        Args:
            token: the compact token: the body of a request, or what a queue delivered.
            model: a pydantic model, or any type pydantic validates, for `Message.data`.

        Raises:
            VerificationError: it was refused; `code` says why.
            UnavailableError: the directory or the replay cache cannot answer now.
        """
        return run(receive(self._ports, self.policy, token, self._fit(model)))

    def handle(self, token: str | bytes, router: Router, *, received_at: float | None = None) -> Outcome:
        """Verify a token and run the handler of its message: what a door or a queue's consumer calls.

        Args:
            token: a compact token.
            router: the handlers, and how messages are processed.
            received_at: when this token first arrived, in Unix seconds, by a transport that is
                trusted to say so and that may show it again (a queue, a spool): it is verified as
                of then, and the router's inbox alone decides whether its message runs.

        Raises:
            VerificationError, UnavailableError: the handler did not run, or asked for this answer.
            HandlerError: it raised; the cause is attached.
            TypeError, ValueError: the router or `received_at` does not fit.
        """
        self._check_call(router, received_at)
        return run(handle(self._ports, self.policy, router, token, received_at=received_at))


class AsyncReceiver(_Receiver["AsyncKeyDirectory | KeyDirectory", "AsyncReplayCache | ReplayCache"], AsyncTakesCalls):
    """The async twin of `Receiver`, for asyncio and trio; see there for the arguments.

    The directory and the replay cache must not block the event loop: `AsyncKeyDirectory`
    and `AsyncSQLiteReplayCache` suspend, a `KeyDirectory` of fixed sets and a
    `MemoryReplayCache` never wait. Plain handler functions run in a worker thread.
    """

    _accepts = ("never", "suspends")
    _instead = "use AsyncKeyDirectory and AsyncSQLiteReplayCache"

    def _connect(self, directory: AsyncKeyDirectory | KeyDirectory, replay: AsyncReplayCache | ReplayCache) -> None:
        self._ports = self._call_ports = AsyncPorts(self, directory, replay)

    def _check_colour(self, router: Router) -> None:
        router.require_async()

    @overload
    async def verify(self, token: str | bytes) -> Message[JSONValue]: ...
    @overload
    async def verify(self, token: str | bytes, model: type[T]) -> Message[T]: ...
    async def verify(self, token: str | bytes, model: type[Any] | None = None) -> Message[Any]:
        """See `Receiver.verify`."""
        return await receive(self._ports, self.policy, token, self._fit(model))

    async def handle(self, token: str | bytes, router: Router, *, received_at: float | None = None) -> Outcome:
        """See `Receiver.handle`."""
        self._check_call(router, received_at)
        return await handle(self._ports, self.policy, router, token, received_at=received_at)
