"""A blocking HTTP transport whose requests are each bounded by one deadline.

httpx bounds each read alone, and a hostile receiver that sends the head of its answer
octet by octet could hold a thread for days.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ssl

    import httpcore
    import httpx

_PIECE: Final = 16 * 1024


class Deadline(threading.local):
    """When the current thread's request must be over, on the monotonic clock."""

    ends = 0.0

    def passed(self) -> bool:
        """Say whether it is over."""
        return time.monotonic() >= self.ends

    def start(self, seconds: float) -> None:
        """Begin a request that may take so long."""
        self.ends = time.monotonic() + seconds

    def left(self, timeout: float | None) -> float:
        """Return how long to wait at most, or raise what a read that takes too long raises."""
        left = self.ends - time.monotonic()
        if left <= 0:
            import httpcore

            raise httpcore.ReadTimeout("the deadline of the whole exchange has passed")
        return left if timeout is None else min(left, timeout)


class _Stream:
    """A connection none of whose waits outlasts the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[start : start + _PIECE], self._deadline.left(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(stream, self._deadline)


def bounded_transport(deadline: Deadline, trusted: ssl.SSLContext | None = None) -> httpx.HTTPTransport:
    """Return a transport that opens its own connections and lets none of them outlast the deadline."""
    import httpcore
    import httpx

    class Backend(httpcore.SyncBackend):
        def connect_tcp(self, host: str, port: int, timeout: float | None = None, *rest: Any, **options: Any) -> Any:
            stream = super().connect_tcp(host, port, deadline.left(timeout), *rest, **options)
            return _Stream(stream, deadline)

    class Transport(httpx.HTTPTransport):
        def __init__(self) -> None:
            context = trusted or httpx.create_ssl_context(trust_env=False)
            super().__init__(verify=context, trust_env=False)
            # httpx has no argument for the backend; the limits are its own.
            self._pool = httpcore.ConnectionPool(context, None, 100, 20, 5.0, network_backend=Backend())

    return Transport()
