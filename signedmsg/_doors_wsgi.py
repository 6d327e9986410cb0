"""From a WSGI environment (PEP 3333) to a verified call: what the blocking doors share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from signedmsg._core.envelope_request import parse_content_length
from signedmsg._core.payload import Models
from signedmsg._core.target import DecodedTarget
from signedmsg.errors import SigningError
from signedmsg.observe import logger
from signedmsg.receiver import Receiver
from signedmsg.signed_answers.signing import check_answer_signer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from signedmsg._core.call import Call
    from signedmsg._core.call_policy import CallPolicy
    from signedmsg.signed_answers import AnswerSigner

    class Readable(Protocol):
        """A stream of bytes."""

        def read(self, size: int, /) -> bytes: ...


class Head(NamedTuple):
    """What a receiver needs of a request before its body is read."""

    method: str
    target: bytes | DecodedTarget
    headers: Sequence[tuple[str, str] | tuple[bytes, bytes]]


# RFC 9112 §3.2.2: every server must take the absolute-form too. Its authority is the client's word, as `Host` is.
_ABSOLUTE: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def check_receiver(
    receiver: Receiver, model: type[object] | None, door: str, answers: AnswerSigner | None = None
) -> CallPolicy:
    """Return the policy of a receiver that can take calls and block while it does.

    Raises:
        TypeError, ValueError: it cannot, the model is none, or the answers cannot be signed so.
    """
    check_answer_signer(answers, suspends=False)
    if not isinstance(receiver, Receiver):
        raise TypeError(f"receiver: {door} needs a blocking Receiver, got {type(receiver).__name__}")
    if model is not None:
        Models().of(model)
    return receiver.require_calls()


def verify_call(
    receiver: Receiver, head: Head, read_body: Callable[[int], bytes], model: type[object] | None
) -> Call[object]:
    """Return the verified call of a request whose body is read once its head is verified, and not a byte beyond.

    Raises:
        VerificationError, UnavailableError: it is refused.
    """
    opened = receiver.open_request(*head)
    body = read_body(opened.max_body + 1)
    if len(body) > opened.max_body:
        raise opened.too_large()
    return opened.finish(body, model)


def bound_response(
    answers: AnswerSigner, call: Call[object], status: int, content_type: str | None, body: bytes
) -> tuple[str, str] | None:
    """Return the header field that binds an answer to its call, or None when it cannot be signed now.

    Args:
        body: as it would be sent in answer to a GET.
    """
    try:
        return answers.sign_response(call, status, content_type, content_of(call, status, body))
    except SigningError as error:
        # The call has been served, whether or not anybody can sign for it now.
        logger.error("an answer could not be signed: %s", error)
        return None


def content_of(call: Call[object], status: int, body: bytes) -> bytes:
    """Return the content that is sent: an answer to HEAD, a 204 and a 304 have none (RFC 9110 §6.4.1)."""
    return b"" if call.method == "HEAD" or status in (204, 304) else body


def wsgi_target(environ: Mapping[str, object], script: bytes, path: bytes, prefix: bytes) -> bytes | DecodedTarget:
    """Return the target as the server got it, or decoded where that is not what the application acts upon.

    Args:
        environ: only `RAW_URI` (gunicorn), `REQUEST_URI` (waitress, uWSGI, mod_wsgi, Werkzeug), the query, and
            what may have set `SCRIPT_NAME` are read.
        script: the decoded octets of `SCRIPT_NAME`, below which the application is mounted.
        path: the decoded octets of `PATH_INFO`, by which the application finds its view.
        prefix: the decoded path of the receiver's `external_url`, without a slash at its end.
    """
    query = _text(environ, "QUERY_STRING").encode("latin-1")
    whole = script + path or b"/"
    # gunicorn believes this field of a proxy on the same host, which may have passed it on.
    named = _text(environ, "HTTP_SCRIPT_NAME") if script else ""
    sent = _origin_form((_text(environ, "RAW_URI") or _text(environ, "REQUEST_URI")).encode("latin-1"))
    if not named and _is_same(sent, query, whole, path):
        return sent
    if script and not named and "werkzeug.proxy_fix.orig" in environ:
        # ProxyFix believes this one, where it is told to.
        named = _text(environ, "HTTP_X_FORWARDED_PREFIX")
    if named:
        whole = _below(script, named.encode("latin-1"), prefix) + path or b"/"
    return DecodedTarget(whole, query)


def _below(script: bytes, named: bytes, prefix: bytes) -> bytes:
    """Return where an application is mounted below `external_url`, when the caller may have named a part of it.

    If the field was believed, who is allowed `/v1/*` could have `/v1/admin` served as `/admin`; if it was not, and
    the name is that of a true mount, leaving it out would let a call for `/v1/x` reach `/admin/v1/x`. Nothing tells
    the two apart, so only the prefix that the receiver was configured with counts, and nobody may sign `//`.
    """
    return script.removeprefix(prefix) if named == prefix and script.startswith(prefix) else b"/" + script


def _origin_form(sent: bytes) -> bytes:
    if not sent or sent.startswith(b"/"):
        return sent
    rest = _ABSOLUTE.sub(b"", sent, count=1)
    return rest if rest.startswith(b"/") else b"/" + rest


def _is_same(sent: bytes, query: bytes, whole: bytes, path: bytes) -> bool:
    """Return whether the application sees what was sent, but for a prefix that a proxy has taken off.

    Otherwise middleware or a rewrite rule has changed it. What they made of it is what
    will be served, so that is what must have been signed.
    """
    sent_path, _, sent_query = sent.partition(b"?")
    seen = unquote_to_bytes(sent_path)
    return sent != b"" and sent_query == query and whole.endswith(seen) and seen.endswith(path)


def _text(environ: Mapping[str, object], name: str) -> str:
    value = environ.get(name)
    return value if isinstance(value, str) else ""


def wsgi_headers(environ: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the header fields; the server has joined those that were repeated."""
    headers: list[tuple[str, str]] = []
    for name, value in environ.items():
        if isinstance(value, str):
            if name.startswith("HTTP_"):
                headers.append((name[5:].replace("_", "-").lower(), value))
            # The server may give an empty string for either where there is none.
            elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
                headers.append((name.replace("_", "-").lower(), value))
    return headers


def read_input(environ: Mapping[str, object], stream: Readable, most: int) -> bytes:
    """Read the body, at most this many bytes of it; without a known end there is none."""
    length = parse_content_length([_text(environ, "CONTENT_LENGTH")])
    if length is None and not environ.get("wsgi.input_terminated"):
        length = 0
    return read(stream, most if length is None else min(most, length))


def read(stream: Readable, most: int) -> bytes:
    """Read to the end, at most this many bytes; a stream may give fewer at a time."""
    body = bytearray()
    while len(body) < most:
        chunk = stream.read(most - len(body))
        if not chunk:
            break
        body += chunk
    return bytes(body)
