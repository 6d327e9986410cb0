"""Key directories: a map of configuration, and one read for all who look at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from signedmsg import (
    AsyncKeyDirectory,
    Issuer,
    JWKSet,
    KeyDirectory,
    KeyDirectoryError,
    UnknownIssuerError,
    UnknownKeyError,
)
from tests.unit.peers import ignore

if TYPE_CHECKING:
    from pathlib import Path

from .sources import ISSUER, A, B, Source, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "keys.json"
    write(found, A)
    return found


def test_two_issuers_keep_their_keys_apart(tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.json" for name in ("a", "b")}
    write(paths["a"], A)
    write(paths["b"], B)
    directory = KeyDirectory(
        *(Issuer(f"https://{name}.example", allow=["*"], keys=path) for name, path in paths.items()), observe=ignore
    )
    assert directory.find("https://a.example", A.kid) == A.public
    with pytest.raises(UnknownKeyError):
        directory.find("https://a.example", B.kid)


def test_issuer_that_is_not_configured_is_unknown_without_any_reading(path: Path) -> None:
    source = Source(path)
    path.unlink()
    source.clock.now += 10
    for stranger in ("https://evil.example", ISSUER + "/", "", "../keys"):
        with pytest.raises(UnknownIssuerError):
            source.directory.find(stranger, A.kid)
        with pytest.raises(UnknownIssuerError):
            source.directory.trusted(stranger)
    assert source.events == []


def test_directory_of_fixed_sets_never_waits_and_one_with_a_file_blocks(path: Path) -> None:
    fixed = Issuer(ISSUER, allow=["*"], keys=JWKSet(A.public))
    file = Issuer("https://other.example", allow=["*"], keys=path)
    assert KeyDirectory(fixed).waits == "never"
    assert KeyDirectory(fixed, file, observe=ignore).waits == "blocks"
    assert AsyncKeyDirectory(fixed).waits == "suspends"


@pytest.mark.parametrize("kind", [KeyDirectory, AsyncKeyDirectory])
@pytest.mark.parametrize("content", [None, b"", b"{", b'{"keys":{}}', b'{"keys":[],"issuer":"https://evil.example"}'])
def test_source_that_cannot_be_read_when_built_is_an_error_of_the_configuration(
    tmp_path: Path, kind: type[Any], content: bytes | None
) -> None:
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=ISSUER):
        kind(Issuer(ISSUER, allow=["*"], keys=path), observe=ignore)


@pytest.mark.parametrize("kind", [KeyDirectory, AsyncKeyDirectory])
def test_directory_of_nothing_of_strangers_or_of_twins_is_refused(kind: type[Any]) -> None:
    issuer = Issuer(ISSUER, allow=["*"], keys=JWKSet(A.public))
    with pytest.raises(ValueError, match="at least one"):
        kind()
    with pytest.raises(TypeError, match="JWKSet"):
        kind(JWKSet(A.public))
    with pytest.raises(ValueError, match="stands twice"):
        kind(issuer, Issuer(ISSUER, allow=[], keys=JWKSet(B.public)))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_directory_reads_again_and_refreshes(path: Path, backend: str) -> None:
    source = Source(path, AsyncKeyDirectory)

    async def work() -> None:
        assert await source.directory.find(ISSUER, A.kid) == A.public
        write(path, B)
        await source.directory.refresh(ISSUER)
        assert await source.directory.find(ISSUER, B.kid) == B.public
        source.lose()
        assert await source.directory.find(ISSUER, B.kid) == B.public
        source.clock.now += 2
        with pytest.raises(KeyDirectoryError):
            await source.directory.find(ISSUER, B.kid)
        with pytest.raises(UnknownIssuerError):
            await source.directory.find("https://evil.example", A.kid)

    anyio.run(work, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_64_tasks_that_look_for_a_new_key_cause_one_read(path: Path, backend: str) -> None:
    source = Source(path, AsyncKeyDirectory)
    write(path, B)
    source.clock.now += 2
    found: list[str] = []

    async def look() -> None:
        found.append((await source.directory.find(ISSUER, B.kid)).kid)

    async def work() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(64):
                group.start_soon(look)

    anyio.run(work, backend=backend)
    assert found == [B.kid] * 64
    assert len(source.events) == 1


def test_16_threads_that_look_for_a_new_key_cause_one_read(path: Path) -> None:
    source = Source(path)
    write(path, B)
    source.clock.now += 2
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(source.usable(B, after=0))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 16
    assert len(source.events) == 1


def test_event_loops_in_several_threads_share_a_directory_and_none_waits_for_ever(path: Path) -> None:
    begun = threading.Barrier(4)
    others_had_time = threading.Event()
    directory = AsyncKeyDirectory(
        Issuer(ISSUER, allow=["*"], keys=path), observe=lambda _: others_had_time.wait(0.2) and None
    )
    others_had_time.clear()
    write(path, B)
    found: list[str] = []

    async def work() -> None:
        begun.wait(10)
        await directory.refresh(ISSUER)
        found.append((await directory.find(ISSUER, B.kid)).kid)

    threads = [threading.Thread(target=anyio.run, args=(work,), daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [B.kid] * 4


def test_directory_used_under_asyncio_can_be_used_under_trio_as_well(path: Path) -> None:
    directory = AsyncKeyDirectory(Issuer(ISSUER, allow=["*"], keys=path), observe=ignore)

    async def work() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(directory.refresh, ISSUER)
        assert (await directory.find(ISSUER, A.kid)).kid == A.kid

    for backend in ("asyncio", "trio", "asyncio"):
        anyio.run(work, backend=backend)
