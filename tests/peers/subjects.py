"""Three clients of a key directory behind one face: signedmsg, PyJWT's `PyJWKClient`, jose's `createRemoteJWKSet`.

Each is used with its defaults. The clock that it reads is shifted, so that an hour takes no time.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import resource
import ssl
import subprocess
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol, cast

import httpx
import jwt
import jwt.api_jwk
import jwt.jwk_set_cache
import jwt.jwks_client

import signedmsg

ISSUER = "https://billing.example"
DRIVER = Path(__file__).with_name("jose_driver.mjs")


class Found(NamedTuple):
    """What a look-up came to: `key`, `unknown` (their fault), `unavailable` (ours) or `error` (who can tell)."""

    kind: str
    ms: float
    x: str | None = None
    text: str = ""


class Subject(Protocol):
    name: str
    version: str

    def find(self, kid: str) -> Found: ...
    def refresh(self) -> None: ...
    def advance(self, seconds: float) -> None: ...
    def peak(self) -> int:
        """Return the greatest resident size of its process so far, in KiB."""
        ...

    def close(self) -> None: ...


def own_peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Shifted(ModuleType):
    """The `time` module as a library that a case moves sees it."""

    def __init__(self) -> None:
        super().__init__("time")
        self.shift = 0.0

    def time(self) -> float:
        return time.time() + self.shift

    def monotonic(self) -> float:
        return time.monotonic() + self.shift


class Signedmsg:
    name = "signedmsg"
    version = version("signedmsg")

    def __init__(self, url: str, trust: str | None = None, **options: Any) -> None:
        self._time = Shifted()
        self._client = None if trust is None else httpx.Client(verify=ssl.create_default_context(cadata=trust))
        self.directory: Any = signedmsg.KeyDirectory(
            signedmsg.Issuer(ISSUER, allow=["*"], keys=url),
            client=self._client,
            clock=self._time.time,
            observe=lambda event: None,
            dangerously_allow_loopback_http=True,
            **options,
        )

    def find(self, kid: str) -> Found:
        began = time.perf_counter()

        def found(kind: str, x: str | None = None, text: str = "") -> Found:
            return Found(kind, (time.perf_counter() - began) * 1000, x, text)

        try:
            key = self.directory.find(ISSUER, kid)
        except signedmsg.UnknownKeyError as error:
            return found("unknown", text=str(error))
        except signedmsg.KeyDirectoryError as error:
            return found("unavailable", text=str(error))
        return found("key", key.to_jwk()["x"])

    def refresh(self) -> None:
        with contextlib.suppress(signedmsg.KeyDirectoryError):
            self.directory.refresh(ISSUER)

    def advance(self, seconds: float) -> None:
        self._time.shift += seconds

    def peak(self) -> int:
        return own_peak()

    def close(self) -> None:
        self.directory.close()
        if self._client is not None:
            self._client.close()


class PyJWT:
    name = "PyJWT"
    version = version("PyJWT")

    def __init__(self, url: str, trust: str | None = None, **options: Any) -> None:
        self._time = Shifted()
        for module in (jwt.api_jwk, jwt.jwk_set_cache, jwt.jwks_client):
            cast("Any", module).time = self._time
        context = None if trust is None else ssl.create_default_context(cadata=trust)
        self.client = jwt.PyJWKClient(url, ssl_context=context, **options)

    def find(self, kid: str) -> Found:
        began = time.perf_counter()

        def found(kind: str, x: str | None = None, text: str = "") -> Found:
            return Found(kind, (time.perf_counter() - began) * 1000, x, text)

        try:
            key = self.client.get_signing_key(kid)
        except jwt.exceptions.PyJWKClientConnectionError as error:
            return found("unavailable", text=str(error))
        except jwt.exceptions.PyJWKClientError as error:
            return found("unknown", text=str(error))
        except Exception as error:  # noqa: BLE001 - whatever leaves it is what the table is about
            return found("error", text=f"{type(error).__name__}: {error}"[:100])
        numbers = jwt.algorithms.ECAlgorithm.to_jwk(key.key, as_dict=True)
        return found("key", cast("str", numbers["x"]))

    def refresh(self) -> None:
        with contextlib.suppress(Exception):
            self.client.get_jwk_set(refresh=True)

    def advance(self, seconds: float) -> None:
        self._time.shift += seconds

    def peak(self) -> int:
        return own_peak()

    def close(self) -> None:
        for module in (jwt.api_jwk, jwt.jwk_set_cache, jwt.jwks_client):
            cast("Any", module).time = time


class Jose:
    """jose in a Node process of its own."""

    name = "jose"
    modules: Path
    version = ""

    def __init__(self, url: str, trust: str | None = None, **options: Any) -> None:
        self._folder = tempfile.TemporaryDirectory()
        environment = dict(os.environ)
        if trust is not None:
            file = Path(self._folder.name) / "authority.pem"
            file.write_text(trust, "ascii")
            environment["NODE_EXTRA_CA_CERTS"] = str(file)
        self._node = subprocess.Popen(
            ["node", str(DRIVER), str(self.modules), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._numbers = itertools.count()
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._writing = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._node.stdout is not None
        for line in self._node.stdout:
            done = json.loads(line)
            self._waiting.pop(done["id"]).put(done)

    def _ask(self, op: str, **more: Any) -> dict[str, Any]:
        assert self._node.stdin is not None
        answer: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._writing:
            number = next(self._numbers)
            self._waiting[number] = answer
            self._node.stdin.write(json.dumps({"id": number, "op": op, **more}) + "\n")
            self._node.stdin.flush()
        return answer.get(timeout=90)

    def find(self, kid: str) -> Found:
        done = self._ask("find", kid=kid)
        if "x" in done:
            return Found("key", done["ms"], done["x"])
        return Found(_JOSE_KINDS.get(done["error"], "unavailable"), done["ms"], None, done["text"])

    def refresh(self) -> None:
        self._ask("reload")

    def advance(self, seconds: float) -> None:
        self._ask("advance", seconds=seconds)

    def peak(self) -> int:
        return int(self._ask("peak")["kib"])

    def close(self) -> None:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.close()
        self._node.wait(10)
        self._reader.join(10)
        self._node.stdout.close()
        self._folder.cleanup()


_JOSE_KINDS = {
    "ERR_JWKS_NO_MATCHING_KEY": "unknown",
    "ERR_JWKS_MULTIPLE_MATCHING_KEYS": "unknown",
    "ERR_JWKS_INVALID": "error",
}


def jose_at(modules: Path) -> type[Jose] | None:
    """Return jose's subject, or None where Node or the module is missing."""
    package = modules / "jose" / "package.json"
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        release = json.loads(package.read_text("utf-8"))["version"]
        return type("Jose", (Jose,), {"modules": modules, "version": f"{release} (Node {node.removeprefix('v')})"})
    return None
