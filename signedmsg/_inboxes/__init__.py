"""Between the flows and the two faces of inboxes and handlers: one port for each, of either colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from signedmsg._inboxes.blocking import BlockingInbox
from signedmsg._inboxes.calls import AsyncCalls, BlockingCalls, ThreadCalls, let_out
from signedmsg._inboxes.leases import AsyncLease, Lease, check_lease
from signedmsg._inboxes.suspending import SuspendingInbox

if TYPE_CHECKING:
    from signedmsg._flows.inbox_ports import AsyncQueuedInbox, QueuedInbox

__all__ = ["AsyncCalls", "AsyncLease", "BlockingCalls", "Lease", "ThreadCalls", "adapt", "check_lease", "let_out"]


def adapt(inbox: object) -> BlockingInbox | SuspendingInbox:
    """Return the port of an inbox, by what it says of how it waits."""
    if getattr(inbox, "waits", None) == "suspends":
        return SuspendingInbox(cast("AsyncQueuedInbox", inbox))
    return BlockingInbox(cast("QueuedInbox", inbox))
