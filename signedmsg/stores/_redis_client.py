"""Lua scripts over any redis-py or valkey-py shaped client: called by their digest, and each failure a `StoreError`."""

from __future__ import annotations

import hashlib
import re
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar, cast

from signedmsg.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_PREFIX: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_PASSWORD: Final = re.compile(r"//[^@/\s]*@")

RIGHTS: Final = (
    "+eval +evalsha +info +time +hmget +hset +rename +unlink +pexpire +pttl "
    "+zadd +zcard +zscore +zrange +zremrangebyscore"
)
"""What a user of the server must be allowed to call, in the words of its access control list."""

# What a command may take, and what may come back: integers and texts, as bytes unless the client decodes.
Argument = bytes | str | int
_Client = TypeVar("_Client")


class RedisClient(Protocol):
    """What is used of a blocking client: `redis.Redis`, `redis.RedisCluster`, or those of valkey-py."""

    @property
    def execute_command(self) -> Callable[..., object]: ...
    @property
    def pipeline(self) -> Callable[..., object]: ...


class AsyncRedisClient(Protocol):
    """What is used of an asyncio client: `redis.asyncio.Redis`, `redis.asyncio.RedisCluster`, or valkey-py's."""

    @property
    def execute_command(self) -> Callable[..., Awaitable[object]]: ...
    @property
    def pipeline(self) -> Callable[..., object]: ...


class _Pipeline(Protocol):
    def execute_command(self, *arguments: Argument) -> object: ...


class _BlockingPipeline(_Pipeline, Protocol):
    def execute(self, *, raise_on_error: bool) -> list[object]: ...


class _AsyncPipeline(_Pipeline, Protocol):
    async def execute(self, *, raise_on_error: bool) -> list[object]: ...


class Script:
    """A Lua script and its SHA-1, by which the server knows it once it has run there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Call(NamedTuple):
    """One call of a script. All its keys have the same hash tag, or a cluster would not run it."""

    script: Script
    keys: tuple[str, ...]
    arguments: tuple[Argument, ...]

    def short(self) -> tuple[Argument, ...]:
        """Return the command that names the script by its digest."""
        return "EVALSHA", self.script.digest, len(self.keys), *self.keys, *self.arguments

    def whole(self) -> tuple[Argument, ...]:
        """Return the command that carries the script: for a server that was restarted, or does not know it yet."""
        return "EVAL", self.script.text, len(self.keys), *self.keys, *self.arguments


def check_blocking(client: RedisClient) -> RedisClient:
    """Return `client`, or raise TypeError when it is not a blocking one."""
    return _checked(client, coroutines=False, other="AsyncRedis…")


def check_async(client: AsyncRedisClient) -> AsyncRedisClient:
    """Return `client`, or raise TypeError when it is not an asyncio one."""
    return _checked(client, coroutines=True, other="Redis…")


def _checked(client: _Client, *, coroutines: bool, other: str) -> _Client:
    execute = getattr(client, "execute_command", None)
    if not callable(execute) or not callable(getattr(client, "pipeline", None)):
        raise TypeError(f"client: expected a client of redis-py or valkey-py, got {type(client).__name__}")
    if iscoroutinefunction(execute) is not coroutines:
        kind = "an asyncio client" if coroutines else "a blocking client"
        raise TypeError(f"client: expected {kind}, got {type(client).__module__}; use {other} for that one")
    return client


def check_word(name: str, value: str) -> str:
    """Return `value`, which becomes part of a key. A brace would be a hash tag, and send all keys to one slot."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a str, got {type(value).__name__}")
    if not _PREFIX.fullmatch(value):
        raise ValueError(f"{name}: expected 1 to 64 characters of [A-Za-z0-9._:-]")
    return value


def run(client: RedisClient, call: Call) -> object:
    """Run one script and return its reply.

    Raises:
        StoreError: it is not known to have run.
    """
    try:
        try:
            return client.execute_command(*call.short())
        except Exception as error:
            if not _unknown_script(error):
                raise
            return client.execute_command(*call.whole())
    except Exception as error:
        # Any: each library and each version of it has a tree of its own.
        raise unavailable(error) from error


def run_all(client: RedisClient, calls: Sequence[Call]) -> list[object]:
    """Run many in one round trip, or one to each node of a cluster. A reply may be an exception."""
    try:
        replies = _piped(client, [call.short() for call in calls])
        if again := _unknown(replies):
            for place, reply in zip(again, _piped(client, [calls[place].whole() for place in again]), strict=True):
                replies[place] = reply
    except Exception as error:
        raise unavailable(error) from error
    return replies


async def run_async(client: AsyncRedisClient, call: Call) -> object:
    """See `run`."""
    try:
        await _connect(client)
        try:
            return await client.execute_command(*call.short())
        except Exception as error:
            if not _unknown_script(error):
                raise
            return await client.execute_command(*call.whole())
    except Exception as error:
        raise unavailable(error) from error


async def run_all_async(client: AsyncRedisClient, calls: Sequence[Call]) -> list[object]:
    """See `run_all`."""
    if len(calls) == 1:
        # A pipeline costs more than it saves.
        try:
            return [await run_async(client, calls[0])]
        except StoreError as error:
            return [error]
    try:
        await _connect(client)
        replies = await _piped_async(client, [call.short() for call in calls])
        if again := _unknown(replies):
            replaced = await _piped_async(client, [calls[place].whole() for place in again])
            for place, reply in zip(again, replaced, strict=True):
                replies[place] = reply
    except Exception as error:
        raise unavailable(error) from error
    return replies


async def _connect(client: AsyncRedisClient) -> None:
    """Let a client learn its cluster before any command does.

    Commands that come together while redis-py's asyncio client does not know its cluster, at first or after
    a failover, each have it learn it, and so cut one another's connections; its `initialize` has a lock.
    """
    initialize: Callable[[], Awaitable[object]] | None = getattr(client, "initialize", None)
    if initialize is not None:
        await initialize()


def takes_slots(client: object) -> bool:
    """Return whether a command of this client may be about several slots: not where it looks each key's node up."""
    return not callable(getattr(client, "keyslot", None))


def refuses_slots(error: object) -> bool:
    """Return whether a server said that it takes no command about several slots; it has then done nothing."""
    return any("CROSSSLOT" in str(each) or type(each).__name__ == "ClusterCrossSlotError" for each in _causes(error))


def is_answer(error: object) -> bool:
    """Return whether the server itself answered with an error, so that asking anew can get another answer."""
    return any(kind.__name__ == "ResponseError" for each in _causes(error) for kind in type(each).__mro__)


def _causes(error: object) -> tuple[object, ...]:
    return (error, error.__cause__) if isinstance(error, BaseException) else ()


def unavailable(error: BaseException) -> StoreError:
    """Return the refusal for whatever a client raised; what it says may hold an address, but never a password."""
    if isinstance(error, StoreError):
        return error
    text = _PASSWORD.sub("//…@", str(error))[:200]
    hint = None
    if "NOPERM" in text or "permission" in text or "can't run this command" in text:
        hint = f"the user needs {RIGHTS}"
    return StoreError(f"the Redis server cannot answer: {type(error).__name__}: {text!r}", retry_after=1, hint=hint)


def _piped(client: RedisClient, commands: list[tuple[Argument, ...]]) -> list[object]:
    # No MULTI around it: each script is atomic by itself, and a cluster could not have one over several slots.
    pipeline = cast("_BlockingPipeline", client.pipeline(transaction=False))
    for command in commands:
        # Not `evalsha`, which the pipelines of clusters refuse for no reason that applies here.
        pipeline.execute_command(*command)
    return pipeline.execute(raise_on_error=False)


async def _piped_async(client: AsyncRedisClient, commands: list[tuple[Argument, ...]]) -> list[object]:
    pipeline = cast("_AsyncPipeline", client.pipeline(transaction=False))
    for command in commands:
        pipeline.execute_command(*command)
    return await pipeline.execute(raise_on_error=False)


def _unknown(replies: list[object]) -> list[int]:
    return [place for place, reply in enumerate(replies) if isinstance(reply, Exception) and _unknown_script(reply)]


def _unknown_script(error: Exception) -> bool:
    return type(error).__name__ == "NoScriptError" or str(error).startswith("NOSCRIPT")
