"""One process of a rotation under load; all of them share a clock that may run faster than the real one.

    rotation_peer.py serve RING CLOCK       serves the ring's document; prints its port; ends with its stdin
    rotation_peer.py send RING CLOCK        writes tokens to stdout until its stdin ends
    rotation_peer.py receive KEYS CLOCK     verifies tokens of stdin, and then prints what it counted

CLOCK is `START,SPEED`: from the moment START on, time passes SPEED times as fast.
"""

from __future__ import annotations

import collections
import json
import sys
import threading
import time
import wsgiref.simple_server
from socketserver import ThreadingMixIn
from typing import Any

from signedmsg import Issuer, KeyDirectory, KeyRing, MemoryReplayCache, Receiver, Sender, SignedMessageError, wsgi

ISSUER = "https://billing.example"
AUDIENCE = "https://shop.example/inbox"


class Clock:
    """The time of day, a wall clock and a monotonic one alike."""

    def __init__(self, written: str) -> None:
        start, speed = written.split(",")
        self.start, self.speed = float(start), float(speed)

    def __call__(self) -> float:
        return self.start + (time.time() - self.start) * self.speed

    def sleep(self, seconds: float) -> None:
        """Sleep for so long by this clock."""
        time.sleep(seconds / self.speed)


def open_ring(path: str, clock: Clock) -> KeyRing:
    return KeyRing.open(path, clock=clock, monotonic=clock)


class Server(ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(path: str, clock: Clock) -> None:
    """Answer requests for the document, counting them."""
    app, requests = wsgi.PublishedKeys(open_ring(path, clock)), collections.Counter[str]()

    def counting(environ: Any, start_response: Any) -> Any:
        def start(status: str, headers: Any) -> Any:
            requests[status] += 1
            return start_response(status, headers)

        return app(environ, start)

    with wsgiref.simple_server.make_server("127.0.0.1", 0, counting, Server, Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()
        print(json.dumps(requests), flush=True)
        server.shutdown()


def send(path: str, clock: Clock) -> None:
    """Sign some hundreds of tokens a second, as a busy service would."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    # Never rebuilt, never told: what it learns of rotations it learns from the folder.
    ring = open_ring(path, clock)
    sender = Sender(ISSUER, ring, lifetime=ring.max_lifetime, clock=clock)
    while not ended.wait(0.004):
        sys.stdout.write(sender.sign({"at": time.time()}, type="invoice.paid", audience=AUDIENCE) + "\n")
        sys.stdout.flush()


def receive(keys: str, clock: Clock) -> None:
    """Verify every token at once when it comes."""
    refusals: collections.Counter[str] = collections.Counter()
    accepted: collections.Counter[str] = collections.Counter()
    over_http: dict[str, Any] = {"dangerously_allow_loopback_http": True} if keys.startswith("http:") else {}
    directory = KeyDirectory(
        Issuer(ISSUER, allow=["invoice.*"], keys=keys), clock=clock, observe=lambda _: None, **over_http
    )
    receiver = Receiver(
        AUDIENCE,
        directory,
        # Born before any of the tokens, which a cache made just now could not vouch for.
        MemoryReplayCache(clock=lambda: clock() - 3600, monotonic=clock),
        leeway=0 if clock.speed == 1 else 30,
        clock=clock,
        observe=lambda _: None,
    )
    print("ready", flush=True)
    for line in sys.stdin:
        token = line.strip()
        try:
            receiver.verify(token)
        except SignedMessageError as error:
            refusals[f"{error.code}: {error}"] += 1
        else:
            accepted[token.partition(".")[0]] += 1
    print(json.dumps({"accepted": list(accepted.values()), "refused": refusals}), flush=True)


if __name__ == "__main__":
    {"serve": serve, "send": send, "receive": receive}[sys.argv[1]](sys.argv[2], Clock(sys.argv[3]))
