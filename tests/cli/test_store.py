"""`signedmsg store` and `signedmsg work`, as a person at a terminal uses them, on a file and on a real PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.servers import NoServerError, give_up, postgres

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SHOP = """
import os, sqlite3
from contextlib import asynccontextmanager, contextmanager
from signedmsg import AsyncSQLiteInbox, Message, Router, SQLiteInbox

def routes(inbox):
    router = Router(inbox, mode="lease", queued=True)

    @router.fallback
    def run(message: Message[object]) -> None:
        if message.id == "bad":
            raise ValueError("no")
        print("ran", message.id, flush=True)

    return router

def open_plain():
    return routes(SQLiteInbox("shop.db"))

@contextmanager
def open_managed():
    with SQLiteInbox("shop.db") as inbox:
        yield routes(inbox)

@asynccontextmanager
async def open_async():
    async with AsyncSQLiteInbox("shop.db") as inbox:
        yield routes(inbox)

def not_a_router():
    return 42

@contextmanager
def open_postgres():
    from psycopg_pool import ConnectionPool
    from signedmsg.stores.postgres import PostgresInbox
    with ConnectionPool(os.environ["SIGNEDMSG_STORE"], open=True) as pool:
        yield routes(PostgresInbox(pool))

number = 7
"""
FILL = """
import sys, time
from shop import *
from signedmsg import Issuer, JWKSet, KeyDirectory, MemoryReplayCache, Receiver, Sender, SigningKey
key = SigningKey.generate()
directory = KeyDirectory(Issuer("https://billing.example", allow=["*"], keys=JWKSet(key.public)))
receiver = Receiver("urn:example:shop", directory, MemoryReplayCache())
sender = Sender("https://billing.example", key)
def fill(router):
    for one in sys.argv[1:]:
        receiver.handle(sender.sign({}, type="t", audience="urn:example:shop", id=one), router)
"""


class Terminal:
    """A folder with a shop in it, and the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        self.environment.pop("SIGNEDMSG_STORE", None)
        (folder / "shop.py").write_text(SHOP)
        (folder / "fill.py").write_text(FILL)

    def python(self, code: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )

    def signedmsg(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.python("import sys; from signedmsg.cli import main; sys.exit(main())", *words)

    def fill(self, *messages: str, opened: str = "open_managed") -> None:
        done = self.python(f"from fill import *\nwith {opened}() as router: fill(router)", *messages)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def test_init_makes_the_tables_and_may_be_repeated(terminal: Terminal) -> None:
    for _ in range(2):
        done = terminal.signedmsg("store", "init", "shop.db")
        assert (done.returncode, done.stdout) == (0, "the tables are there, and up to date\n")
    with closing(sqlite3.connect(terminal.folder / "shop.db")) as database:
        names = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
    assert "signedmsg_inbox" in names


@pytest.mark.parametrize("opened", ["open_plain", "open_managed", "open_async"])
def test_worker_runs_what_is_queued_and_leaves_dead_letters_to_be_redriven(terminal: Terminal, opened: str) -> None:
    terminal.fill("m-1", "bad", "m-2")
    assert terminal.signedmsg("store", "status", "shop.db").stdout == "waiting  3\nrunning  0\ndead     0\n"
    done = terminal.signedmsg("work", f"shop:{opened}", "--drain", "--attempts", "1")
    assert done.returncode == 0
    assert sorted(done.stdout.split("\n")) == ["", "ran m-1", "ran m-2"]
    assert done.stderr.endswith("stopped: handled 2, given up 1\n")
    dead = terminal.signedmsg("store", "dead", "shop.db")
    assert dead.stdout == "https://billing.example  bad  t  1 attempt  ValueError\n"
    again = terminal.signedmsg("store", "redrive", "shop.db", "https://billing.example", "bad")
    assert again.stdout == "queued bad of https://billing.example again\n"
    assert terminal.signedmsg("store", "status", "shop.db").stdout.startswith("waiting  1\n")


def test_forgotten_message_runs_again(terminal: Terminal) -> None:
    terminal.fill("m-1")
    terminal.signedmsg("work", "shop:open_plain", "--drain")
    done = terminal.signedmsg("store", "forget", "shop.db", "https://billing.example", "m-1")
    assert done.stdout == "forgot m-1 of https://billing.example\n"
    terminal.fill("m-1")
    assert terminal.signedmsg("work", "shop:open_plain", "--drain").stdout == "ran m-1\n"


@pytest.mark.parametrize("action", ["redrive", "forget"])
def test_message_that_is_not_there_is_said_with_exit_code_1(terminal: Terminal, action: str) -> None:
    terminal.signedmsg("store", "init", "shop.db")
    done = terminal.signedmsg("store", action, "shop.db", "https://billing.example", "m-1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no such message" in done.stderr


WRONG = [
    (("store", "status"), "STORE"),
    (("store", "status", "none.db"), "no such file"),
    (("store", "status", "shop.py"), "not a SQLite database"),
    (("store", "status", "shop.db", "--inbox", ""), "name"),
    (("work", "shop"), "module:name"),
    (("work", "nowhere:router"), "nowhere"),
    (("work", "shop:nothing"), "nothing"),
    (("work", "shop:number"), "expected a Router, got int"),
    (("work", "shop:not_a_router"), "expected a Router, got int"),
    (("work", "shop:open_plain", "--concurrency", "0"), "concurrency"),
]


@pytest.mark.parametrize(("words", "says"), WRONG, ids=range(len(WRONG)))
def test_wrong_usage_is_one_line_and_exit_code_2(terminal: Terminal, words: tuple[str, ...], says: str) -> None:
    terminal.signedmsg("store", "init", "shop.db")
    done = terminal.signedmsg(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (terminal.folder / "none.db").exists()


@pytest.mark.parametrize(
    "store",
    [
        "host=db.example password=secret",
        "postgresql+psycopg://shop:secret@db.example/shop",
        "postgresql://shop:a secret@db.example/shop",
        "postgresql://shop:%zzsecret@db.example/shop",
        "postgresql://shop:a@secret@db.example/shop",
    ],
)
@pytest.mark.parametrize("action", ["init", "status"])
def test_what_is_no_store_is_refused_without_its_password(terminal: Terminal, action: str, store: str) -> None:
    before = {*terminal.folder.iterdir()}
    done = terminal.signedmsg("store", action, store)
    assert (done.returncode, done.stdout) == (2, "")
    assert "STORE" in done.stderr
    assert "secret" not in done.stderr
    assert {*terminal.folder.iterdir()} == before


def test_to_look_into_a_database_makes_no_tables_in_it(terminal: Terminal) -> None:
    with closing(sqlite3.connect(terminal.folder / "other.db")) as database:
        database.execute("create table other (a)")
    before = (terminal.folder / "other.db").read_bytes()
    done = terminal.signedmsg("store", "status", "other.db")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no tables" in done.stderr
    assert (terminal.folder / "other.db").read_bytes() == before


@pytest.fixture(scope="module")
def server() -> Generator[postgres.Postgres]:
    try:
        postgres.programs()
    except NoServerError as error:
        give_up(error)
    with postgres.one() as server:
        yield server


@pytest.mark.real_server
def test_tables_of_postgres_are_made_by_init_alone_and_the_queue_works_there(
    server: postgres.Postgres, tmp_path: Path
) -> None:
    terminal = Terminal(tmp_path)
    name = f"cli_{uuid.uuid4().hex}"
    server.rows(f"create database {name}")
    terminal.environment["SIGNEDMSG_STORE"] = f"postgresql://postgres@127.0.0.1:{server.port}/{name}"
    before = terminal.signedmsg("store", "status")
    assert before.returncode == 3
    assert "signedmsg store init" in before.stderr
    assert terminal.signedmsg("store", "init").returncode == 0
    assert terminal.signedmsg("store", "status").stdout == "waiting  0\nrunning  0\ndead     0\n"
    terminal.fill("m-1", "bad", opened="open_postgres")
    assert terminal.signedmsg("work", "shop:open_postgres", "--drain", "--attempts", "1").stdout == "ran m-1\n"
    assert terminal.signedmsg("store", "redrive", "https://billing.example", "bad").returncode == 0
    assert terminal.signedmsg("store", "dead").stdout == ""


def test_sql_that_init_would_run_is_printed(terminal: Terminal) -> None:
    done = terminal.signedmsg("store", "sql", "--schema", "messages")
    assert done.returncode == 0
    assert "messages" in done.stdout
    assert "signedmsg_inbox" in done.stdout


def test_driver_that_is_missing_is_named_once_with_the_extra_that_brings_it() -> None:
    code = "import sys; sys.modules['psycopg'] = None; from signedmsg.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = [sys.executable, "-c", code, "store", "status", "postgresql://db.example/shop"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "signedmsg: PostgreSQL: there is no psycopg",
        "  hint: pip install 'signedmsg[postgres]'",
    ]
