"""Wrong arguments are refused when a cache is built, in words that say what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from signedmsg.stores.memory import MemoryReplayCache
from signedmsg.stores.sqlite import AsyncSQLiteReplayCache, SQLiteReplayCache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMITS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"capacity": 0}, ValueError, "capacity: expected at least 1 id, got 0"),
    ({"capacity": 1.5}, TypeError, "capacity: expected an int, got float"),
    ({"capacity": True}, TypeError, "capacity: expected an int, got bool"),
    ({"quota": 0}, ValueError, "quota: expected between 1 and the capacity"),
    ({"capacity": 10, "quota": 11}, ValueError, "quota: expected between 1 and the capacity of 10 ids, got 11"),
    ({"quota": "many"}, TypeError, "quota: expected an int, got str"),
]
SECONDS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"timeout": -1.0}, ValueError, "timeout: expected a number of seconds"),
    ({"timeout": float("inf")}, ValueError, "timeout: expected a number of seconds"),
    ({"leeway": float("nan")}, ValueError, "leeway: expected a number of seconds"),
]


@pytest.fixture(params=["memory", "sqlite", "async sqlite"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., object]:
    def sqlite(**options: Any) -> SQLiteReplayCache:
        return SQLiteReplayCache(tmp_path / "replay.db", **options)

    def async_sqlite(**options: Any) -> AsyncSQLiteReplayCache:
        return AsyncSQLiteReplayCache(tmp_path / "replay.db", **options)

    builders: dict[str, Callable[..., object]]
    builders = {"memory": MemoryReplayCache, "sqlite": sqlite, "async sqlite": async_sqlite}
    return builders[request.param]


@pytest.mark.parametrize(("options", "kind", "text"), LIMITS)
def test_wrong_limit_is_refused(
    build: Callable[..., object], options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        build(**options)


@pytest.mark.parametrize(("options", "kind", "text"), SECONDS)
def test_wrong_duration_is_refused(tmp_path: Path, options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        SQLiteReplayCache(tmp_path / "replay.db", **options)


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_path_that_no_process_could_share_is_refused_with_what_to_use(path: str) -> None:
    with pytest.raises(ValueError, match="MemoryReplayCache"):
        SQLiteReplayCache(path)


def test_missing_directory_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no directory .*absent"):
        SQLiteReplayCache(tmp_path / "absent" / "replay.db")


def test_path_of_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a directory"):
        SQLiteReplayCache(tmp_path)


def test_refused_arguments_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="quota"):
        SQLiteReplayCache(tmp_path / "replay.db", quota=0)
    assert not list(tmp_path.iterdir())
