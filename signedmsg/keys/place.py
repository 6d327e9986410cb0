"""One source of one issuer, and how a source of each kind is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from signedmsg._core.known import Read
from signedmsg._flows.read import read_key, read_metadata, read_set
from signedmsg.errors import KeyDirectoryError
from signedmsg.keys.sources import ASAPRepository, KeySetURL, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.events import Event
    from signedmsg._core.known import Validator
    from signedmsg._flows.read import Web
    from signedmsg.keys.sources import Single


class World(Protocol):
    """The two ways out of the process."""

    def web(self) -> Web:
        """Begin a read over HTTP, whose deadline runs from now on."""
        ...

    async def files(self, path: Path) -> tuple[bytes, ...]:
        """Read a file, or those of a folder."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One source of one issuer, and what it needs from its directory."""

    issuer: str
    source: Single
    soft: float
    now: Callable[[], float]
    jitter: Callable[[], float]
    notice: Callable[[Event], None]

    async def read(self, world: World, kid: str | None, validator: Validator | None) -> Read:
        """Read the source, whatever its kind."""
        match self.source:
            case Path() as path:
                return Read(await world.files(path))
            case KeySetURL() as one:
                return await read_set(world.web(), one.url, validator, self.soft)
            case Metadata() as one:
                return await read_metadata(
                    world.web(), one.url, validator, self.soft, issuer=self.issuer, hosts=one.hosts
                )
            case ASAPRepository() as one if kid is not None:
                return await read_key(world.web(), one.base_url, kid, validator, self.soft)
            case _:
                raise KeyDirectoryError("it is never read")
