"""Messages from a JSON Lines file, gzip or not, one after the other."""

from __future__ import annotations

import gzip
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from signedmsg._jose import strict_json
from signedmsg.cli.problems import CommandError

if TYPE_CHECKING:
    import io
    from collections.abc import Generator, Iterator
    from typing import BinaryIO

    from signedmsg._jose.strict_json import JSONValue

# RFC 1952 §2.3.1
_GZIP_MAGIC: Final = b"\x1f\x8b"
MAX_LINE: Final = 1024 * 1024


class Picked(NamedTuple):
    """What one line says: `problem` is why it cannot be sent, or None."""

    number: int
    data: JSONValue
    type: str | None
    id: str | None
    problem: str | None = None


class Members(NamedTuple):
    """The names of the members from which data, type and id are taken; None for none."""

    data: str | None
    type: str | None
    id: str | None


def read_lines(path: str, members: Members) -> Iterator[Picked]:
    """Yield each line that is not blank, in order, holding one at a time.

    Raises:
        CommandError: the file cannot be read, or its gzip data is damaged; what came before was yielded.
    """
    number = 0
    try:
        with _open(path) as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise CommandError(f"--lines {path}: line {number} is longer than {MAX_LINE // 2**20} MiB")
                if line.strip():
                    yield _pick(number, line, members)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CommandError(f"--lines {path}: after line {number}: the gzip data is damaged: {error}") from None
    except OSError as error:
        raise CommandError(f"--lines {path}: {error.strerror or error}") from None


@contextmanager
def _open(path: str) -> Generator[BinaryIO]:
    if path == "-":
        yield _unpacked(sys.stdin.buffer)
        return
    with Path(path).open("rb") as file:
        yield _unpacked(file)


def _unpacked(file: BinaryIO) -> BinaryIO:
    # By its first bytes, not by its name, so that a pipe works as well.
    if cast("io.BufferedReader", file).peek(2)[:2] == _GZIP_MAGIC:
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    return file


def _pick(number: int, line: bytes, members: Members) -> Picked:
    try:
        value = strict_json.loads(line.strip())
    except ValueError as error:
        return Picked(number, None, None, None, f"not JSON that can be sent: {error}")
    found: dict[str, JSONValue] = {}
    for option, name in members._asdict().items():
        if name is None:
            continue
        if not isinstance(value, dict) or name not in value:
            return Picked(number, None, None, None, f"no member {name!r} to take the {option} from")
        found[option] = value[name]
        if option != "data" and not isinstance(value[name], str):
            return Picked(number, None, None, None, f"the member {name!r} is no string to take the {option} from")
    type_, id_ = found.get("type"), found.get("id")
    return Picked(
        number,
        found.get("data", value),
        type_ if isinstance(type_, str) else None,
        id_ if isinstance(id_, str) else None,
    )
