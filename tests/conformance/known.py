"""The vectors that are checked in, and those that may only be read where they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent / "vectors"


def vectors(name: str, folder: Path = HERE) -> list[dict[str, Any]]:
    """Return the vectors of one file; each file names its source."""
    found: list[dict[str, Any]] = json.loads((folder / f"{name}.json").read_text("utf-8"))["vectors"]
    return found


def by_id(name: str) -> dict[str, dict[str, Any]]:
    return {vector["id"]: vector for vector in vectors(name)}


def shared(name: str) -> list[dict[str, Any]]:
    """Return vectors whose terms do not allow a copy here: [] where they are not at hand."""
    folder = Path(os.environ.get("SIGNEDMSG_SHARED_VECTORS") or ROOT.parent / "shared" / "vectors")
    return vectors(name, folder) if (folder / f"{name}.json").is_file() else []
