"""What errors and the log say: the reason that helps, and never a key put where something else belongs."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import (
    DeliveryError,
    Issuer,
    JWKSet,
    KeyDirectory,
    MemoryReplayCache,
    PayloadError,
    Receiver,
    Sender,
    SigningKey,
    SQLiteReplayCache,
)
from signedmsg._core.events import MessageRefused
from signedmsg.cli import main
from signedmsg.observe import log_event

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = SigningKey.generate()
PEM = KEY.to_pem()
SECRETS = PEM.splitlines()[1:-1]
SET = JWKSet(KEY.public)
DIRECTORY: Any = KeyDirectory(Issuer("https://a.example", allow=["*"], keys=SET))
WHO, URL = "https://a.example", "https://b.example/inbox"

# A key in the place of a path, a name or a port: the commonest way for one to get into a log.
MISPLACED: dict[str, Callable[[Any], object]] = {
    "path-of-a-key": SigningKey.load,
    "name-of-a-variable": SigningKey.from_env,
    "sender": lambda pem: Sender(pem, KEY),
    "issuer": lambda pem: Issuer(pem, allow=["*"], keys=SET),
    "keys": lambda pem: Issuer(WHO, allow=["*"], keys=pem),
    "pattern": lambda pem: Issuer(WHO, allow=[pem], keys=SET),
    "directory": lambda pem: Receiver(URL, pem, MemoryReplayCache()),
    "replay": lambda pem: Receiver(URL, DIRECTORY, pem),
    "processes": lambda pem: Receiver(URL, DIRECTORY, MemoryReplayCache(), processes=pem),
    "leeway": lambda pem: Receiver(URL, DIRECTORY, MemoryReplayCache(), leeway=pem),
    "database": SQLiteReplayCache,
}


@pytest.mark.parametrize("misplace", [SigningKey.load, SigningKey.from_env, SQLiteReplayCache])
def test_private_jwk_in_the_wrong_place_is_not_shown_however_it_is_spaced(misplace: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        misplace('{ "kty": "EC", "d": "the-secret-member"}')
    assert "the-secret-member" not in str(caught.value)


@pytest.mark.parametrize("misplace", MISPLACED.values(), ids=MISPLACED)
def test_key_in_the_wrong_place_is_refused_and_not_shown(misplace: Callable[[Any], object]) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        misplace(PEM)
    text = "".join(traceback.format_exception_only(caught.value)) + repr(caught.value)
    assert not [line for line in SECRETS if line in text]


def test_command_line_does_not_show_a_key_passed_as_its_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sign", "--key", PEM, "--issuer", WHO, "--audience", URL, "--type", "t", "--data-json", "1"]) == 2
    said = capsys.readouterr()
    assert not [line for line in SECRETS if line in said.out + said.err]


def test_sender_that_cannot_connect_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Sender(WHO, KEY, dangerously_allow_http=True) as sender, pytest.raises(DeliveryError) as caught:
        sender.send(f"http://127.0.0.1:{port}/inbox", 1, type="t")
    assert caught.value.outcome == "unknown"
    assert "ConnectError" in str(caught.value)


def test_log_names_where_the_data_does_not_fit(caplog: pytest.LogCaptureFixture) -> None:
    error = PayloadError("the data does not fit the model", errors=[("/amount", "Input should be greater than 0")])
    with caplog.at_level(logging.INFO, logger="signedmsg"):
        log_event(MessageRefused(error=error, issuer=WHO, proven=True))
    assert "'/amount': Input should be greater than 0" in caplog.text


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [
        ("signedmsg.httpx2", "httpx2", "httpx2"),
        ("signedmsg.testing.httpx2", "httpx2", "httpx2"),
        ("signedmsg.stores.postgres", "psycopg", "postgres"),
    ],
)
def test_module_whose_library_is_missing_says_which_extra_brings_it(module: str, library: str, extra: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last == f"ModuleNotFoundError: {module} needs {library}: pip install 'signedmsg[{extra}]'"
