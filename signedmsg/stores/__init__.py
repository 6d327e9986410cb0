"""Replay caches: what remembers token ids, so that no token is accepted twice.

`MemoryReplayCache` (`signedmsg.stores.memory`) serves one process and forgets at its end;
`SQLiteReplayCache` and `AsyncSQLiteReplayCache` (`signedmsg.stores.sqlite`) serve all
processes of one host and survive restarts.
"""

from __future__ import annotations
