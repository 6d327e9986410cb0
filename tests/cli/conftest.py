"""A person's folder for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.commands import CLI

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    monkeypatch.chdir(tmp_path)
    return CLI(tmp_path, capsys)
