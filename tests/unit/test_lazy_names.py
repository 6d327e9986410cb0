"""What `import signedmsg` loads, and that every public name is there for whoever asks."""

from __future__ import annotations

import subprocess
import sys

import pytest

import signedmsg


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new interpreter has after a statement."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", signedmsg.__all__)
def test_public_name_is_there(name: str) -> None:
    assert getattr(signedmsg, name) is not None
    assert name in dir(signedmsg)


def test_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Recevier'"):
        signedmsg.Recevier  # type: ignore[attr-defined]  # noqa: B018


def test_import_of_the_package_loads_no_library() -> None:
    heavy = {"cryptography", "pydantic_core", "httpx", "asyncio", "sqlite3", "signedmsg.receiver", "signedmsg.sender"}
    assert not loaded_by("import signedmsg") & heavy


def test_errors_are_loaded_at_once() -> None:
    assert "signedmsg.errors" in loaded_by("import signedmsg")


def test_blocking_receiver_loads_neither_asyncio_nor_sqlite() -> None:
    loaded = loaded_by("from signedmsg import Receiver, KeyDirectory, Issuer, MemoryReplayCache, Router, Message")
    assert "signedmsg.receiver" in loaded
    assert not loaded & {"asyncio", "sqlite3", "httpx"}


def test_name_is_the_same_object_however_it_is_reached() -> None:
    from signedmsg.receiver import Receiver

    assert signedmsg.Receiver is Receiver
