"""gunicorn with two worker processes over one SQLite replay cache and one file of keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

import signedmsg
from signedmsg import DeliveryError, JWKSet, Sender, SigningKey

from . import raw
from .servers import listen
from .stage import ISSUER, KEY, MAX_SIZE, MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

APPLICATION = Path(__file__).parent / "processes"


class Inbox(NamedTuple):
    port: int
    url: str
    folder: Path

    def handled(self, id: str) -> list[Any]:
        lines = (self.folder / "handled.jsonl").read_text("utf-8").splitlines()
        return [line for line in map(json.loads, lines) if line[1] == id]

    def post(self, token: str) -> int:
        with httpx.Client(verify=False, trust_env=False, timeout=30) as client:
            return client.post(self.url, content=token, headers={"content-type": MEDIA_TYPE}).status_code


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbox]:
    folder = tmp_path_factory.mktemp("inbox")
    (folder / "keys.json").write_text(JWKSet(KEY.public).to_json(), "utf-8")
    (folder / "handled.jsonl").touch()
    with listen() as listener, (folder / "log").open("wb") as log:
        port, number = listener.getsockname()[1], listener.fileno()
        url = f"http://127.0.0.1:{port}/inbox"
        options = ["--workers=2", "--threads=8", f"--bind=fd://{number}", "--no-control-socket"]
        environment = {
            **os.environ,
            "INBOX_FOLDER": str(folder),
            "INBOX_AUDIENCE": url,
            "PYTHONPATH": str(Path(str(signedmsg.__file__)).parent.parent),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "inbox:application"],
            cwd=APPLICATION,
            env=environment,
            pass_fds=[number],
            stdout=log,
            stderr=log,
        )
        try:
            # Answered once a worker has made the cache, which refuses what was signed before.
            assert raw.exchange(port, raw.head(method="GET")).status == 405
            yield Inbox(port, url, folder)
        finally:
            process.terminate()
            assert process.wait(20) == 0, (folder / "log").read_text("utf-8")


def token(inbox: Inbox, id: str, key: SigningKey = KEY) -> str:
    with Sender(ISSUER, key) as sender:
        return sender.sign({"number": 42}, type="invoice.paid", audience=inbox.url, id=id)


def test_message_arrives_in_one_of_the_processes(inbox: Inbox) -> None:
    with Sender(ISSUER, KEY, dangerously_allow_http=True) as sender:
        assert sender.send(inbox.url, {"number": 1}, type="invoice.paid", id="one").status == 204
    assert [line[2] for line in inbox.handled("one")] == [{"number": 1}]


def test_token_posted_64_times_at_once_is_handled_by_one_process_only(inbox: Inbox) -> None:
    good = token(inbox, "at-once")
    start = threading.Barrier(64)

    def post(number: int) -> int:
        start.wait(30)
        return inbox.post(good)

    with ThreadPoolExecutor(64) as pool:
        assert Counter(pool.map(post, range(64))) == {204: 1, 409: 63}
    assert len(inbox.handled("at-once")) == 1


def test_messages_are_spread_over_both_processes(inbox: Inbox) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(inbox.post, [token(inbox, "spread") for _ in range(128)])
        assert set(answers) == {204}
    assert len({line[0] for line in inbox.handled("spread")}) == 2


def test_key_that_the_issuer_does_not_publish_is_refused(inbox: Inbox) -> None:
    stranger = Sender(ISSUER, SigningKey.generate(), dangerously_allow_http=True)
    with stranger, pytest.raises(DeliveryError) as refused:
        stranger.send(inbox.url, {}, type="invoice.paid")
    assert (refused.value.status, refused.value.reply_code) == (401, "verification_failed")


def test_token_in_chunks_is_accepted_by_gunicorn(inbox: Inbox) -> None:
    good = token(inbox, "in-chunks").encode()
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (good[:10], good[10:], b""))
    assert raw.exchange(inbox.port, raw.head("Transfer-Encoding: chunked") + body).status == 204


def test_endless_body_is_refused_at_the_cap(inbox: Inbox) -> None:
    beginning = raw.head("Transfer-Encoding: chunked") + b"%x\r\n" % (2 * MAX_SIZE) + b"A" * (MAX_SIZE + 1)
    assert raw.exchange(inbox.port, beginning).status == 413


def test_body_that_says_it_is_too_large_is_refused_before_it_is_sent_to_gunicorn(inbox: Inbox) -> None:
    assert raw.exchange(inbox.port, raw.head(f"Content-Length: {MAX_SIZE + 1}")).status == 413


@pytest.mark.parametrize("framing", ["length", "chunks", "wrong-chunks"])
def test_token_whose_client_hung_up_on_gunicorn_is_not_used(inbox: Inbox, framing: str) -> None:
    good = token(inbox, framing).encode()
    if framing == "length":
        raw.abort(inbox.port, raw.head(f"Content-Length: {len(good) + 1}") + good)
    else:
        end = b"" if framing == "chunks" else b"x\r\n"
        raw.abort(inbox.port, raw.head("Transfer-Encoding: chunked") + b"%x\r\n%b\r\n" % (len(good), good) + end)
    assert inbox.post(good.decode()) == 204
    assert len(inbox.handled(framing)) == 1
