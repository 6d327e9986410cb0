"""Files and folders of keys: read again when they change, kept when they cannot be read, never rolled back."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import (
    Freshness,
    Issuer,
    JWKSet,
    KeyDirectory,
    KeyDirectoryError,
    PublicKey,
    SigningKey,
    UnknownIssuerError,
    UnknownKeyError,
)
from signedmsg._core.events import DirectoryChanged
from tests.unit.peers import ignore

if TYPE_CHECKING:
    from pathlib import Path

from .sources import ISSUER, A, B, RunningClock, Source, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "keys.json"
    write(found, A)
    return found


def test_file_is_read_again_after_it_changed_and_not_before_its_time(path: Path) -> None:
    source = Source(path)
    write(path, B)
    assert source.usable(A, after=0.9)
    assert source.usable(B, after=0.1)
    assert not source.usable(A, after=0)


def test_change_is_observed_once(path: Path) -> None:
    source = Source(path)
    write(path, A, B)
    source.usable(B)
    source.usable(B)
    assert source.events == [DirectoryChanged(issuer=ISSUER, added=(B.kid,), removed=(), revoked=(), refused=())]


def test_change_within_the_same_size_and_second_is_noticed(path: Path) -> None:
    source = Source(path)
    before = path.stat()
    write(path, B)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert source.usable(B)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"sequence": 7}, {"sequence": 6}),
        ({"sequence": 7}, {}),
        ({"issuer": ISSUER}, {}),
        ({"issuer": ISSUER}, {"issuer": "https://evil.example"}),
    ],
    ids=["lower", "dropped", "issuer-dropped", "issuer-changed"],
)
def test_rollback_keeps_the_old_set_and_is_observed(path: Path, first: dict[str, Any], then: dict[str, Any]) -> None:
    write(path, A, **first)
    source = Source(path)
    write(path, B, **then)
    assert source.usable(A)
    assert not source.usable(B, after=0)
    assert source.failures() == 1


@pytest.mark.parametrize("broken", [b"", b"<html>", b'{"keys":', b'{"keys":[]}x', b"\xff\xfe", b" " * 200_000])
def test_malformed_file_keeps_the_old_set_and_is_observed(path: Path, broken: bytes) -> None:
    source = Source(path)
    path.write_bytes(broken)
    assert source.usable(A)
    assert source.failures() == 1


def test_revoked_key_stays_revoked_for_the_life_of_the_directory(path: Path) -> None:
    source = Source(path)
    write(path, A, B, revoked=[{"kid": A.kid}])
    assert not source.usable(A)
    write(path, A, B)
    assert not source.usable(A)
    assert source.usable(B, after=0)


def test_file_that_disappears_keeps_its_set_until_it_is_stale(path: Path) -> None:
    source = Source(path, freshness=Freshness(hard=60))
    path.unlink()
    assert source.usable(A, after=61)
    source.clock.now += 1
    with pytest.raises(KeyDirectoryError) as caught:
        source.directory.find(ISSUER, A.kid)
    assert (caught.value.code, caught.value.retry_after) == ("key_unavailable", 1.0)


def test_file_that_comes_back_is_used_again(path: Path) -> None:
    source = Source(path, freshness=Freshness(hard=10))
    path.unlink()
    source.clock.now += 12
    with pytest.raises(KeyDirectoryError):
        source.directory.find(ISSUER, A.kid)
    write(path, B)
    assert source.usable(B)


def test_stale_limit_of_zero_uses_a_set_only_while_it_can_be_read(path: Path) -> None:
    source = Source(path, freshness=Freshness(hard=0))
    assert source.usable(A, after=0.5)
    assert source.usable(A)
    path.unlink()
    with pytest.raises(KeyDirectoryError):
        source.usable(A)


def test_unknown_kid_reads_the_file_once_a_period(path: Path) -> None:
    source = Source(path)
    path.unlink()
    for _ in range(12):
        assert not source.usable(B, after=0.25)
    assert source.failures() == 3


def test_read_that_takes_longer_than_the_recheck_period_still_finds_the_key(path: Path) -> None:
    directory = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=path), clock=RunningClock(1000), observe=ignore)
    assert [directory.find(ISSUER, A.kid).kid for _ in range(5)] == [A.kid] * 5


def test_refresh_reads_at_once(path: Path) -> None:
    source = Source(path)
    write(path, B)
    source.directory.refresh(ISSUER)
    assert source.usable(B, after=0)


def test_refresh_that_fails_says_so_keeps_the_set_and_is_observed(path: Path) -> None:
    source = Source(path)
    path.unlink()
    with pytest.raises(KeyDirectoryError, match=r"keys\.json"):
        source.directory.refresh(ISSUER)
    assert source.failures() == 1
    assert source.usable(A, after=0)


def test_refresh_of_a_fixed_set_changes_nothing_and_of_a_stranger_is_refused() -> None:
    directory = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=JWKSet(A.public)))
    directory.refresh(ISSUER)
    assert directory.find(ISSUER, A.kid) == A.public
    with pytest.raises(UnknownIssuerError):
        directory.refresh("https://evil.example")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "keys"
    found.mkdir()
    write(found / "a.json", A)
    return found


def test_folder_joins_its_documents_and_ignores_other_files(folder: Path) -> None:
    write(folder / "b.json", B)
    (folder / "notes.txt").write_text("not JSON")
    (folder / "c.json.tmp").write_text("half wri")
    source = Source(folder)
    assert source.usable(A)
    assert source.usable(B)


def test_document_added_to_a_folder_is_found(folder: Path) -> None:
    source = Source(folder)
    assert not source.usable(B)
    write(folder / "b.json", B)
    assert source.usable(B)


def test_document_removed_from_a_folder_takes_its_keys_away(folder: Path) -> None:
    write(folder / "b.json", B)
    source = Source(folder)
    (folder / "a.json").unlink()
    assert not source.usable(A)
    assert source.usable(B, after=0)


def test_kid_in_two_documents_of_a_folder_is_usable_in_none(folder: Path) -> None:
    write(folder / "b.json", A, B)
    source = Source(folder)
    assert not source.usable(A)
    assert source.usable(B, after=0)


def test_one_malformed_document_keeps_the_whole_old_set(folder: Path) -> None:
    source = Source(folder)
    (folder / "b.json").write_text("{")
    assert source.usable(A)
    assert source.failures() == 1


def test_folder_that_vanishes_keeps_its_set_until_it_is_stale(folder: Path) -> None:
    source = Source(folder, freshness=Freshness(hard=60))
    (folder / "a.json").unlink()
    folder.rmdir()
    assert source.usable(A, after=61)
    with pytest.raises(KeyDirectoryError):
        source.usable(A, after=1)


def test_folder_that_is_empty_keeps_its_set_until_it_is_stale(folder: Path) -> None:
    source = Source(folder, freshness=Freshness(hard=60))
    (folder / "a.json").unlink()
    assert source.usable(A, after=61)
    with pytest.raises(KeyDirectoryError):
        source.usable(A, after=1)


def test_folder_that_is_empty_at_the_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no document"):
        Source(tmp_path)


def test_document_with_no_keys_still_takes_all_of_a_folder_away(folder: Path) -> None:
    source = Source(folder)
    write(folder / "a.json")
    assert not source.usable(A)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may list every folder")
def test_folder_that_may_not_be_listed_keeps_its_set(folder: Path) -> None:
    source = Source(folder)
    folder.chmod(0o300)
    try:
        assert source.usable(A)
        assert source.failures() == 1
    finally:
        folder.chmod(0o700)


def test_key_revoked_under_one_kid_is_revoked_under_every_other(path: Path) -> None:
    jwk = A.public.to_jwk()
    alias = PublicKey.from_jwk({**jwk, "kid": "alias"})
    document = {"keys": [jwk, alias.to_jwk(), B.public.to_jwk()], "revoked": [{"kid": A.kid}]}
    path.write_text(json.dumps(document), "utf-8")
    source = Source(path)
    for kid in (A.kid, "alias"):
        with pytest.raises(UnknownKeyError) as caught:
            source.directory.find(ISSUER, kid)
        assert caught.value.code == "key_not_valid"
    assert source.usable(B)


def test_revoked_key_that_comes_back_under_another_kid_stays_revoked(path: Path) -> None:
    named = {**A.public.to_jwk(), "kid": "2026-1"}
    path.write_text(json.dumps({"keys": [named]}), "utf-8")
    source = Source(path)
    write(path, B, revoked=[{"kid": "2026-1"}])
    assert source.usable(B)
    write(path, A, B)
    assert not source.usable(A)


def test_key_with_two_algorithms_in_two_documents_is_refused_alone(folder: Path) -> None:
    key = SigningKey.generate("Ed25519").public.to_jwk()
    (folder / "b.json").write_text(json.dumps({"keys": [key]}), "utf-8")
    (folder / "c.json").write_text(json.dumps({"keys": [{**key, "alg": "EdDSA", "kid": "other"}]}), "utf-8")
    source = Source(folder)
    assert source.usable(A)
    with pytest.raises(UnknownKeyError):
        source.directory.find(ISSUER, "other")
