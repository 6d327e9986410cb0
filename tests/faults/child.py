"""A receiver or a worker as a process of its own, which waits at the step where a test wants to kill it.

It is given one JSON object, reads a token a line, and writes an answer a line. On reaching the
step named `stop` it writes that step's name instead, and waits for a line before it goes on.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from signedmsg import Issuer, KeyDirectory, Message, Receiver, Router, Worker
from signedmsg._core.answers import answer_error, answer_outcome
from signedmsg.errors import SignedMessageError
from signedmsg.observe import Event, MessageBuried, MessageHandled, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Generator

ISSUER = "https://billing.example"
AUDIENCE = "https://shop.example/inbox"


class Steps:
    """Tells the parent where this process is, and waits there if it is wanted."""

    def __init__(self, stop: str | None) -> None:
        self._stop = stop

    def reach(self, step: str) -> None:
        if step == self._stop:
            self._stop = None
            say(at=step)
            assert sys.stdin.readline().strip() == "go"


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Store(Protocol):
    """What the child needs of a backend."""

    inbox: Any
    replay: Any


class SQLiteStore:
    def __init__(self, options: dict[str, Any]) -> None:
        from signedmsg import SQLiteInbox, SQLiteReplayCache

        shift = float(options.get("clock", 0.0))
        timeout = float(options.get("timeout", 2.0))
        self.inbox = SQLiteInbox(options["store"], timeout=timeout, clock=lambda: time.time() + shift)
        self.replay = SQLiteReplayCache(options["replay"])


class PostgresStore:
    def __init__(self, options: dict[str, Any]) -> None:
        from psycopg_pool import ConnectionPool

        from signedmsg.stores.postgres import PostgresInbox, PostgresReplayCache

        self._pool = ConnectionPool(
            options["store"], min_size=1, max_size=4, timeout=2.0, reconnect_timeout=1.0, open=True, kwargs=_IMPATIENT
        )
        self.inbox = PostgresInbox(self._pool)
        self.replay = PostgresReplayCache(self._pool)


_IMPATIENT = {"connect_timeout": 2, "tcp_user_timeout": 2000, "options": "-c statement_timeout=2000"}


class RedisStore:
    def __init__(self, options: dict[str, Any]) -> None:
        import redis

        from signedmsg.stores.redis import RedisInbox, RedisReplayCache

        client = redis.Redis.from_url(options["store"], socket_timeout=2.0, socket_connect_timeout=2.0)
        self.inbox, self.replay = RedisInbox(client), RedisReplayCache(client)


STORES: dict[str, type[Any]] = {"sqlite": SQLiteStore, "postgres": PostgresStore, "redis": RedisStore}


class Stepping:
    """An inbox that says where it is."""

    def __init__(self, inbox: Any, steps: Steps) -> None:
        self._inbox, self._steps = inbox, steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)

    def begin(self, *arguments: Any) -> Any:
        self._steps.reach("begin")
        begun = self._inbox.begin(*arguments)
        self._steps.reach("begun")
        return begun

    def commit(self, *arguments: Any) -> None:
        self._steps.reach("commit")
        self._inbox.commit(*arguments)
        self._steps.reach("committed")

    def enqueue(self, *arguments: Any) -> Any:
        self._steps.reach("enqueue")
        settled = self._inbox.enqueue(*arguments)
        self._steps.reach("enqueued")
        return settled

    def take(self, *arguments: Any) -> Any:
        job = self._inbox.take(*arguments)
        if job is not None:
            self._steps.reach("taken")
        return job

    @contextmanager
    def transaction(self) -> Generator[Any]:
        with self._inbox.transaction() as transaction:
            yield SteppingTransaction(transaction, self._steps)
            self._steps.reach("commit")
        self._steps.reach("committed")


class SteppingTransaction:
    """A transaction that says where it is."""

    def __init__(self, transaction: Any, steps: Steps) -> None:
        self._transaction, self._steps = transaction, steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    def begin(self, *arguments: Any) -> Any:
        self._steps.reach("begin")
        settled = self._transaction.begin(*arguments)
        self._steps.reach("begun")
        return settled


def make_router(options: dict[str, Any], store: Store, steps: Steps) -> Router:
    inbox = Stepping(store.inbox, steps)
    router: Router = Router(
        inbox,  # type: ignore[arg-type]
        mode=options["mode"],
        queued=options.get("queued", False),
        lease=options.get("lease", 1),
    )

    @router.fallback
    def pay(message: Message[Any], extra: Any) -> None:
        steps.reach("handler")
        if options["mode"] == "transaction":
            mark = "?" if isinstance(extra, sqlite3.Connection) else "%s"
            extra.execute(f"insert into payments values ({mark})", (message.id,))
        else:
            database = sqlite3.connect(options["effects"], timeout=30)
            with database:
                database.execute("insert into payments values (?)", (message.id,))
            database.close()
        steps.reach("effect")

    return router


def receive(options: dict[str, Any], store: Store, router: Router) -> None:
    directory = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=options["keys"]))
    receiver = Receiver(AUDIENCE, directory, store.replay, observe=lambda _: None)
    say(ready=True)
    for line in sys.stdin:
        try:
            outcome = receiver.handle(line.strip(), router)
            answer = answer_outcome(outcome.status, duplicate=outcome.duplicate)
        except SignedMessageError as error:
            answer = answer_error(error, time.time())
        problem = json.loads(answer.body) if answer.body else {}
        say(status=answer.status, code=problem.get("code"), headers=dict(answer.headers), body=answer.body.decode())


def work(options: dict[str, Any], router: Router) -> None:
    def observe(event: Event) -> None:
        if isinstance(event, MessageHandled):
            say(handled=event.message_id)
        elif isinstance(event, MessageBuried):
            say(buried=event.message_id)
        elif isinstance(event, WorkerFailed):
            say(failed=getattr(event.error, "code", type(event.error).__name__))

    worker = Worker(
        router, concurrency=1, poll=0.02, first_delay=0.05, attempts=options.get("attempts", 10), observe=observe
    )
    say(ready=True)
    worker.run()


def main() -> None:
    options = json.loads(sys.argv[1])
    steps = Steps(options.get("stop"))
    store: Store = STORES[options["backend"]](options)
    if options.get("replays_in_a_file"):
        from signedmsg import SQLiteReplayCache

        store.replay = SQLiteReplayCache(options["replay"])
    router = make_router(options, store, steps)
    if options["role"] == "receive":
        receive(options, store, router)
    else:
        work(options, router)


if __name__ == "__main__":
    main()
