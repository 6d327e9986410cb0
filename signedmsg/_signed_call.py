"""One call on its way: each of its tokens let out once, and its answers looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from signedmsg._core.answers import PROBLEM_TYPE
from signedmsg._core.delivery import Reply
from signedmsg._flows.call_send import judge_refusal, sent_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.compose_request import Bound
    from signedmsg._flows.call_send import Refusal, SignedCall

_MAX_PROBLEM: Final = 64 * 1024
# Where a request of either library keeps what belongs to it and is not sent.
_MINE: Final = "signedmsg"
# The event with which a transport of either library begins to send a request.
_LEAVES: Final = ".send_request_headers.started"


class OutgoingCall:
    """One request of httpx or httpx2, and its attempts. Each attempt's token leaves once."""

    def __init__(self, request: Any, scheme: str) -> None:
        self.attempts = 0
        # How far the receiver's clock is ahead of ours, as an answer to this very call said.
        self.offset: float | None = None
        self._scheme = scheme
        self._credential = ""
        # Where this attempt's token went. Not the request itself, which refers to this: whatever it holds would
        # wait for the garbage collector.
        self._left: Any = None
        # Sent before, a request still has what we put there then. Anybody else's credential stays, and is refused.
        earlier = request.extensions.pop(_MINE, None)
        if isinstance(earlier, OutgoingCall):
            earlier.take_back(request)
        self._trace = request.extensions.get("trace")

    def take_back(self, request: Any) -> None:
        """Leave a request as it was before it was signed."""
        if request.headers.get("authorization") == self._credential:
            del request.headers["authorization"]
        if getattr(request.extensions.get("trace"), "__self__", None) is self:
            del request.extensions["trace"]
            if self._trace is not None:
                request.extensions["trace"] = self._trace

    def sign_with(self, request: Any, signed: SignedCall, trace: Callable[[str, dict[str, Any]], object]) -> None:
        """Put the next attempt's token on the request; `trace` is `once` or `once_async`."""
        self.attempts += 1
        self._left = None
        self._credential = f"{self._scheme} {signed.token}"
        request.headers["Authorization"] = self._credential
        request.extensions[_MINE] = self
        request.extensions["trace"] = trace

    def once(self, event: str, info: dict[str, Any]) -> object:
        """Stop whoever sends this attempt's token on, before it has left: the transport's `trace`.

        httpx follows redirects, and some transports retry, below the signature. What they send
        holds the same token, and these same extensions.
        """
        if event.endswith(_LEAVES):
            self._leave(info["request"])
        return None if self._trace is None else self._trace(event, info)

    async def once_async(self, event: str, info: dict[str, Any]) -> None:
        """The async twin of `once`."""
        if event.endswith(_LEAVES):
            self._leave(info["request"])
        if self._trace is not None:
            await self._trace(event, info)

    def _leave(self, sent: Any) -> None:
        # What opens a tunnel through a proxy has no token.
        if sent.method == b"CONNECT":
            return
        if self._left is not None:
            raise sent_again(redirect=sent.url != self._left)
        self._left = sent.url

    def check_sent_once(self, request: Any, answer: Any) -> None:
        """Refuse an answer to another request than the one that was signed.

        Raises:
            DeliveryError: a redirect was followed by a transport that has no `trace`.
        """
        if answer.request is not request:
            raise sent_again(redirect=True)
        if answer.next_request is not None:
            # Whoever sends that one has it signed for its own URL, or not at all.
            answer.next_request.headers.pop("authorization", None)

    def judge(self, bound: Bound, answer: Any, now: float, *, proven: bool) -> Refusal | None:
        """See `judge_refusal`; None for what `is_short_problem` says to leave alone."""
        if not is_short_problem(answer):
            return None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return judge_refusal(bound, Reply(answer.status_code, headers, answer.content), now, proven=proven)


def is_short_problem(answer: Any) -> bool:
    """Return whether an answer is to be read: a problem document that may be our receiver's own."""
    if answer.status_code not in (401, 409):
        return False
    headers = answer.headers
    if not headers.get("content-type", "").startswith(PROBLEM_TYPE):
        return False
    length = headers.get("content-length", "")
    # Neither an endless one nor one that unfolds.
    return length.isdecimal() and int(length) <= _MAX_PROBLEM and "content-encoding" not in headers
