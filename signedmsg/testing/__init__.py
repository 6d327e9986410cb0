"""What tests of signed messages need: a clock to move by hand, and contracts for one's own stores.

`ReplayCacheContract` and `AsyncReplayCacheContract` are classes of test cases: subclass
one, say how to make the cache, and pytest runs them.
"""

from __future__ import annotations

from signedmsg.testing.clock import ManualClock
from signedmsg.testing.replay_cache import AsyncReplayCacheContract, ReplayCacheContract

__all__ = ["AsyncReplayCacheContract", "ManualClock", "ReplayCacheContract"]
