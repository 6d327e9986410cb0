"""Each application of docs/examples is started as its first line says, and called by a real client over loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from signedmsg import JWKSet, Sender, SigningKey
from signedmsg.httpx import SignedAuth
from tests.docs.snippets import with_free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"
BILLING = "https://billing.example"
# How each is started, and what its server says once it listens.
COMMANDS = {
    "starlette_app": ("-m uvicorn starlette_app:app --port 8760", "running on"),
    "fastapi_app": ("-m uvicorn fastapi_app:app --port 8760", "running on"),
    "litestar_app": ("-m uvicorn litestar_app:app --port 8760", "running on"),
    "aiohttp_app": ("-m aiohttp.web aiohttp_app:make --port 8760 --hostname 127.0.0.1", "running on"),
    "flask_app": ("-m waitress --listen 127.0.0.1:8760 flask_app:app", "serving on"),
    "django_app": ("-m waitress --listen 127.0.0.1:8760 django_app:application", "serving on"),
    "lambda_app": (f"{Path(__file__).parent / 'api_gateway.py'} lambda_app --port 8760", "running on"),
}


class Example:
    """A running example: its URL, the key its caller signs with, and all that it says."""

    def __init__(self, url: str, key: SigningKey, said: Iterator[str]) -> None:
        self.url, self.key, self.said = url, key, said

    def client(self, key: SigningKey | None = None) -> httpx.Client:
        auth = SignedAuth(BILLING, key or self.key, dangerously_allow_http=True)
        return httpx.Client(auth=auth, base_url=self.url, trust_env=False, verify=False)


@contextlib.contextmanager
def started(name: str, folder: Path) -> Iterator[Example]:
    key = SigningKey.generate()
    (folder / "billing.json").write_text(JWKSet(key.public).to_json(), "utf-8")
    command, listening = COMMANDS[name]
    arguments = with_free_ports(command).split()
    url = f"http://127.0.0.1:{next(port for word in arguments if (port := word.rpartition(':')[2]).isdigit())}"
    environment = {**os.environ, "SHOP_URL": url, "PYTHONPATH": str(EXAMPLES), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said: Iterator[str] = iter(process.stdout)
        try:
            before = []
            for line in said:
                before.append(line)
                if listening in line.lower():
                    break
            else:
                raise AssertionError("".join(before))
            yield Example(url, key, said)
        finally:
            process.terminate()


@pytest.fixture(scope="module", params=COMMANDS)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with started(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


def test_signed_order_is_taken_with_the_name_of_who_signed_it(example: Example) -> None:
    with example.client() as client:
        answer = client.post("/v1/orders", json={"number": 42})
    assert (answer.status_code, answer.json()) == (200, {"order": {"number": 42}, "from": BILLING})


def test_order_that_nobody_signed_is_refused(example: Example) -> None:
    answer = httpx.post(f"{example.url}/v1/orders", json={"number": 42}, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_order_that_a_stranger_signed_is_refused(example: Example) -> None:
    with example.client(SigningKey.generate()) as client:
        assert client.post("/v1/orders", json={"number": 42}).status_code == 401


def test_call_that_the_caller_may_not_make_is_refused(example: Example) -> None:
    with example.client() as client:
        answer = client.delete("/v1/orders")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def test_health_is_for_everybody(example: Example) -> None:
    assert httpx.get(f"{example.url}/health", trust_env=False).json() == {"healthy": True}


def test_message_reaches_the_inbox_of_the_fastapi_example(tmp_path: Path) -> None:
    with started("fastapi_app", tmp_path) as example:
        with Sender(BILLING, example.key, dangerously_allow_http=True) as sender:
            assert sender.send(f"{example.url}/inbox", {"number": 42}, type="order.paid").status == 204
        assert any(line == f"order 42 is paid, says {BILLING}\n" for line in example.said)


def test_every_example_is_tested() -> None:
    assert sorted(COMMANDS) == sorted(path.stem for path in EXAMPLES.glob("*.py"))
