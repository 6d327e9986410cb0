"""Stores: replay caches, which remember the ids of tokens for minutes, and inboxes, which remember messages for days.

`memory` and `memory_inbox` serve one process and forget at its end; `sqlite` and `sqlite_inbox` all
processes of one host; `redis` and `postgres` those of many.
"""

from __future__ import annotations
