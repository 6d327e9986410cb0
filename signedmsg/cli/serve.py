"""`signedmsg serve`: a development receiver that prints each message it is sent."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from signedmsg._core.message import Message  # noqa: TC001 - the router reads the handler's annotation
from signedmsg._core.urls import normal_audience, parse_url
from signedmsg.cli.arguments import add_trust, load_trust
from signedmsg.cli.devserver import DevServer
from signedmsg.cli.output import dump, message_members, note
from signedmsg.cli.problems import OK, CommandError, configuring
from signedmsg.cli.watch import Watch, log_json, log_text
from signedmsg.receiver import Receiver
from signedmsg.router import Router
from signedmsg.wsgi import Endpoint

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    from signedmsg._flows.ports import ReplayCache

EXAMPLES: Final = """\
examples:
  signedmsg serve --issuer https://billing.example --keys keys.json
  signedmsg serve --issuer https://billing.example --keys keys.json --allow 'invoice.*' \\
      --audience http://127.0.0.1:8000/inbox --replay seen.db --out messages.jsonl
each message becomes one line of JSON on stdout or in --out; refusals go to stderr with their reason
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_trust(parser)
    parser.add_argument("--audience", metavar="URL", help="what senders call it (default http://HOST:PORT/)")
    parser.add_argument("--account", metavar="TEXT", help="the account whose messages are taken")
    parser.add_argument("--replay", metavar="DB", help="an SQLite file that remembers tokens over restarts")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default %(default)s)")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="default %(default)s; 0 takes a free one")
    parser.add_argument("--out", metavar="FILE", help="append the messages to this file instead of printing them")
    parser.add_argument("--json", action="store_true", help="write stderr as lines of JSON too")


def run(arguments: argparse.Namespace) -> int:
    """Receive until interrupted."""
    watch = Watch(log_json if arguments.json else log_text)
    with ExitStack() as opened:
        directory = load_trust(arguments, watch.observe)
        server = opened.enter_context(DevServer(arguments.host, arguments.port))
        audience = arguments.audience or f"{server.origin}/"
        replay = _open_replay(arguments.replay, opened)
        with configuring():
            receiver = Receiver(audience, directory, replay, account=arguments.account, observe=watch.observe)
        out = opened.enter_context(_open_out(arguments.out)) if arguments.out else sys.stdout
        stop = stop_on_signals()
        application = watch.around(Endpoint(receiver, printing_router(out, stop)))
        _say_ready(arguments, server, receiver.policy.audience)
        server.run(application, path_of(audience), watch.refuse, stop)
    _say_stopped(arguments, watch)
    return OK


def printing_router(out: TextIO, stop: threading.Event) -> Router:
    """Return a router whose one handler writes every message as a line of JSON, in the order of arrival.

    When nobody reads any more (`| head`), the message is not taken and `stop` is set.
    """
    router = Router()
    lock = threading.Lock()

    @router.fallback
    def write(message: Message[object]) -> None:
        line = dump(message_members(message)) + "\n"
        try:
            with lock:
                out.write(line)
                out.flush()
        except BrokenPipeError:
            stop.set()
            raise

    return router


def path_of(audience: str) -> str:
    """Return the path at which the endpoint of this audience is served."""
    return parse_url(audience).path if "://" in normal_audience(audience) else "/"


def stop_on_signals() -> threading.Event:
    """Return an event that is set by Ctrl-C, or when somebody ends the process."""
    stop = threading.Event()

    def on_signal(*_: object) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    return stop


def _open_replay(path: str | None, opened: ExitStack) -> ReplayCache:
    if path is None:
        from signedmsg.stores.memory import MemoryReplayCache

        return MemoryReplayCache()
    from signedmsg.stores.sqlite import SQLiteReplayCache

    with configuring(f"--replay {path}"):
        return opened.enter_context(SQLiteReplayCache(path))


def _open_out(path: str) -> TextIO:
    try:
        return Path(path).open("a", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--out {path}: {error.strerror}") from None


def _say_ready(arguments: argparse.Namespace, server: DevServer, audience: str) -> None:
    url = server.origin + path_of(audience)
    if arguments.json:
        log_json({"event": "ready", "url": url, "port": server.port, "audience": audience})
        return
    allowed = " ".join(arguments.allow or ["*"])
    note("signedmsg serve: a development server, not for production")
    if not _is_loopback(server.host):
        note("it listens beyond this machine, without TLS", label="warning:", style="yellow")
    if audience != url:
        note(f"audience  {audience}")
    note(f"trusted   {', '.join(_issuers(arguments))}, who may send {allowed}")
    note(f"replay    {arguments.replay or 'in memory: tokens signed before this start are refused'}")
    note(f"ready     {url}  (Ctrl-C stops)")


def _issuers(arguments: argparse.Namespace) -> list[str]:
    first = [arguments.issuer] if arguments.issuer else []
    return first + [one.partition("=")[0] for one in arguments.trust]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _say_stopped(arguments: argparse.Namespace, watch: Watch) -> None:
    counts = {"accepted": watch.accepted, "refused": watch.refused}
    if arguments.json:
        log_json({"event": "stopped", **counts})
    else:
        note(f"stopped: accepted {watch.accepted}, refused {watch.refused}")
