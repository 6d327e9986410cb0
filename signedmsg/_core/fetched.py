"""What an HTTP answer means to a key directory: a document, nothing new, no such key, or a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._core.freshness import retry_after
from signedmsg._jose.jwks import MAX_DOCUMENT_SIZE
from signedmsg.errors import KeyDirectoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_SET_TYPES: Final = ("application/jwk-set+json", "application/json")
METADATA_TYPES: Final = ("application/json",)
PEM_TYPES: Final = ("application/x-pem-file", "text/plain")


class Fetched(NamedTuple):
    """An answer as it came; the names of its headers are in lower case, its body is cut one octet past the cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_document(url: str, fetched: Fetched, types: tuple[str, ...]) -> None:
    """Return only if the answer holds a document of one of the media types, whole and not compressed.

    Raises:
        KeyDirectoryError: it does not; `retry_after` is what the answer asks for.
    """
    problem = _problem(fetched, types)
    if problem is not None:
        raise KeyDirectoryError(f"{url}: {problem}", retry_after=retry_after(fetched.headers))


def _problem(fetched: Fetched, types: tuple[str, ...]) -> str | None:
    if 300 <= fetched.status < 400:
        return f"it answered {fetched.status}, and redirects are not followed"
    if fetched.status != 200:
        return f"it answered {fetched.status}"
    if fetched.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        # A few octets could unfold into gigabytes.
        return "it answered with a compressed document"
    media_type = fetched.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in types:
        return f"expected {' or '.join(types)}, it answered with another media type"
    if len(fetched.body) > MAX_DOCUMENT_SIZE:
        return f"the document is larger than {MAX_DOCUMENT_SIZE} bytes"
    return None
