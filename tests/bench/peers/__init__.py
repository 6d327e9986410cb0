"""Other ways to sign and verify, each in its best documented use and with the checks it lacks added by hand.

A module holds one library, so that one which is not installed is only left out. What each peer
does not check even so is its `lacks`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.peers.rules import Peer

MODULES: Final = ("pyjwt", "jose_rfc", "jw_crypto", "atlassian", "http_signatures", "webhooks")


def installed() -> Iterator[Peer]:
    """Yield the peers whose library is here."""
    for name in MODULES:
        try:
            module = importlib.import_module(f"tests.bench.peers.{name}")
        except ModuleNotFoundError as error:
            print(f"left out: {error.name} is not installed")
        else:
            yield from module.PEERS
