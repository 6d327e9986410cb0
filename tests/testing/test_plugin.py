"""The pytest plugin: its fixtures, what it says below a test that fails, and that it costs other projects nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from signedmsg import Receiver, VerificationError
from signedmsg.testing import ManualClock, Peer

if TYPE_CHECKING:
    from pathlib import Path

    from signedmsg.testing import CapturingTransport

INBOX = "https://shop.example/inbox"


def run(folder: Path, test: str, *words: str, **environment: str) -> str:
    """Run pytest on one file in a process of its own, with this plugin and no other of the project's."""
    (folder / "test_it.py").write_text(test, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, "test_it.py"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_pytest_finds_the_plugin_by_itself() -> None:
    assert [one.value for one in entry_points(group="pytest11", name="signedmsg")] == ["_signedmsg_pytestplugin"]


def test_fixtures_are_there(
    signedmsg_clock: ManualClock, signedmsg_peer: Peer, signedmsg_transport: CapturingTransport
) -> None:
    assert signedmsg_peer.clock is signedmsg_clock
    assert signedmsg_transport.peer is signedmsg_peer


def test_token_of_the_fixture_is_taken_by_a_receiver_of_the_real_clock(signedmsg_peer: Peer) -> None:
    receiver = Receiver(INBOX, signedmsg_peer.directory(), Peer().replay_cache())
    assert receiver.verify(signedmsg_peer.sign(1, type="t", audience=INBOX)).data == 1


RAISED = """
def test_it(signedmsg_peer):
    token = signedmsg_peer.sign({"secret": "hunter2"}, type="t", audience="https://shop.example/inbox/")
    signedmsg_peer.receiver("https://shop.example/inbox").verify(token)
"""
OBSERVED = """
def test_it(signedmsg_peer, signedmsg_events):
    receiver = signedmsg_peer.receiver("https://shop.example/inbox", observe=signedmsg_events)
    token = signedmsg_peer.sign(1, type="t", audience="https://shop.example/inbox/")
    try:
        receiver.verify(token)
    except Exception:
        status = 401
    assert status == 200
"""
LOGGED = OBSERVED.replace(", observe=signedmsg_events", "").replace(", signedmsg_events", "")
CAUSED = """
def test_it(signedmsg_peer):
    try:
        signedmsg_peer.receiver("https://shop.example").verify("junk")
    except Exception as error:
        raise RuntimeError("mine") from error
"""
SECTION = "signedmsg: why it was refused"
SLASH = "they differ in the slash at the end"


@pytest.mark.parametrize("test", [RAISED, OBSERVED], ids=["raised", "observed"])
def test_test_that_fails_says_why_it_was_refused(tmp_path: Path, test: str) -> None:
    said = run(tmp_path, test)
    assert "1 failed" in said
    assert SLASH in said.partition(SECTION)[2]


def test_error_that_caused_another_is_explained(tmp_path: Path) -> None:
    assert "malformed: expected" in run(tmp_path, CAUSED).partition(SECTION)[2]


def test_refusal_that_only_the_log_was_told_is_in_the_captured_log(tmp_path: Path) -> None:
    assert SLASH in run(tmp_path, LOGGED).partition("Captured log call")[2]


def test_explanation_shows_no_payload(tmp_path: Path) -> None:
    assert "hunter2" not in run(tmp_path, RAISED, "--tb=no").partition(SECTION)[2]


@pytest.mark.parametrize(
    "test",
    [
        RAISED.replace(
            "    signedmsg_peer.receiver", "    import pytest\n    pytest.skip()\n    signedmsg_peer.receiver"
        ),
        "def test_it():\n    assert 1 == 2\n",
        "def test_it(signedmsg_events):\n    assert signedmsg_events == []\n",
    ],
    ids=["skipped", "of-something-else", "passed"],
)
def test_nothing_is_said_where_nothing_was_refused(tmp_path: Path, test: str) -> None:
    assert SECTION not in run(tmp_path, test)


def test_project_that_uses_none_of_it_loads_none_of_it(tmp_path: Path) -> None:
    test = """
import sys
def test_it():
    assert "_signedmsg_pytestplugin" in sys.modules
    assert not {name.split(".")[0] for name in sys.modules} & {"signedmsg", "httpx", "cryptography", "pydantic"}
"""
    # Other plugins of this environment load what they like.
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    assert "1 passed" in run(tmp_path, test, "-p", "_signedmsg_pytestplugin", **alone)


def test_level_that_somebody_set_for_the_logger_is_kept(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import logging\nlogging.getLogger('signedmsg').setLevel(50)\n", "utf-8")
    test = "import logging\ndef test_it():\n    assert logging.getLogger('signedmsg').level == 50\n"
    assert "1 passed" in run(tmp_path, test)


def test_error_that_is_raised_is_the_refusal(signedmsg_peer: Peer) -> None:
    with pytest.raises(VerificationError):
        signedmsg_peer.receiver(INBOX).verify("junk")
