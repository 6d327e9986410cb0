"""Reading documents: whole, bounded, and never waiting for what is no file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from signedmsg import KeyDirectoryError
from signedmsg._jose.jwks import MAX_DOCUMENT_SIZE
from signedmsg.keys.files import MAX_DOCUMENTS, read_documents

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only: FIFOs, devices, links and descriptors")


def test_file_is_one_document(tmp_path: Path) -> None:
    path = tmp_path / "anything.jwks"
    path.write_bytes(b"{}")
    assert read_documents(path) == (b"{}",)


def test_folder_gives_its_json_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "c.txt", "README"):
        (tmp_path / name).write_text(name)
    assert read_documents(tmp_path) == (b"a.json", b"b.json")


def test_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "v1.json").write_bytes(b"1")
    link = tmp_path / "keys"
    link.symlink_to(tmp_path / "v1.json")
    assert read_documents(link) == (b"1",)


def test_huge_file_is_read_no_further_than_one_byte_beyond_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(b" " * (3 * MAX_DOCUMENT_SIZE))
    assert len(read_documents(path)[0]) == MAX_DOCUMENT_SIZE + 1


def test_missing_file_is_an_outage_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(KeyDirectoryError, match=r"keys\.json"):
        read_documents(tmp_path / "keys.json")


def test_folder_of_too_many_documents_is_an_outage(tmp_path: Path) -> None:
    for number in range(MAX_DOCUMENTS + 1):
        (tmp_path / f"{number}.json").touch()
    with pytest.raises(KeyDirectoryError, match=str(MAX_DOCUMENTS)):
        read_documents(tmp_path)


@posix
def test_fifo_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    os.mkfifo(path)
    for source in (path, tmp_path):
        with pytest.raises(KeyDirectoryError, match="not a regular file"):
            read_documents(source)


@posix
def test_device_without_end_is_refused() -> None:
    with pytest.raises(KeyDirectoryError, match="not a regular file"):
        read_documents(Path("/dev/zero"))


@posix
def test_link_to_nowhere_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "keys.json").symlink_to(tmp_path / "gone")
    for source in (tmp_path / "keys.json", tmp_path):
        with pytest.raises(KeyDirectoryError):
            read_documents(source)


@posix
def test_refused_source_leaves_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    os.mkfifo(tmp_path / "fifo")
    # The lowest free number is given out again, so one that leaked would push it up.
    before = os.open(tmp_path, os.O_RDONLY)
    os.close(before)
    for source in (tmp_path, tmp_path / "fifo"):
        for _ in range(5):
            with pytest.raises(KeyDirectoryError):
                read_documents(source)
    after = os.open(tmp_path, os.O_RDONLY)
    os.close(after)
    assert after == before
