"""Runs the command line as a person does: in a process of its own, or quickly in this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import signedmsg
from signedmsg.cli import main

if TYPE_CHECKING:
    import pytest

ISSUER = "https://billing.example"
AUDIENCE = "https://shop.example/inbox"
COMMAND = [sys.executable, "-m", "signedmsg"]
PACKAGE_PARENT = str(Path(str(signedmsg.__file__)).parent.parent)


def environment(**more: str) -> dict[str, str]:
    """The variables of a child that finds this very package, without colours."""
    return {**os.environ, "PYTHONPATH": PACKAGE_PARENT, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", **more}


def call(*words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run `signedmsg …` in a process."""
    return subprocess.run(
        [*COMMAND, *words], input=stdin, env=env or environment(), capture_output=True, timeout=50, check=False
    )


@dataclass
class Said:
    """What a command did in this process."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CLI:
    """A person's folder with a key and its directory, and the commands run there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.key = folder / "billing.pem"
        self.keys = folder / "keys.json"
        key = signedmsg.SigningKey.generate()
        key.save(self.key)
        document = {"issuer": ISSUER, "keys": [key.public.to_jwk()]}
        self.keys.write_text(json.dumps(document), "utf-8")
        self.kid = key.kid

    def __call__(self, *words: str | Path) -> Said:
        code = main([str(word) for word in words])
        captured = self._capsys.readouterr()
        return Said(code, captured.out, captured.err)

    def sign(self, data: str = '{"number":42}', *more: str) -> str:
        said = self(
            *("sign", "--key", self.key, "--issuer", ISSUER, "--audience", AUDIENCE, "--type", "invoice.paid"),
            *("--data-json", data, *more),
        )
        assert said.code == 0, said.err
        return said.out.strip()

    def verify(self, token: str, *more: str | Path, audience: str = AUDIENCE) -> Said:
        file = self.folder / "token.jwt"
        file.write_text(token + "\n", "utf-8")
        return self("verify", file, "--audience", audience, "--issuer", ISSUER, "--keys", self.keys, *more)

    @property
    def trust(self) -> list[str]:
        return ["--issuer", ISSUER, "--keys", str(self.keys)]

    @property
    def signer(self) -> list[str]:
        return ["--issuer", ISSUER, "--key", str(self.key)]


class Serving:
    """`signedmsg serve` in a process of its own; its words on stderr are JSON lines."""

    def __init__(self, *words: str, stdout: int = subprocess.PIPE) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, "serve", "--json", *words],
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
            encoding="utf-8",
        )
        self.said: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.code: int | None = None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout or (),))
        self._reader.start()
        self.url = str(self.wait_for("ready")["url"])

    def _read(self, lines: Any) -> None:
        self.received.extend(json.loads(line) for line in lines)

    def wait_for(self, event: str) -> dict[str, Any]:
        """Read its stderr on until an event of this kind."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(json.loads(line))
            if self.said[-1]["event"] == event:
                return self.said[-1]
        raise AssertionError(f"ended without {event}: {self.said}")

    def stop(self, number: int = signal.SIGTERM) -> dict[str, Any]:
        """End it in good order, and return the last thing it says."""
        self._process.send_signal(number)
        stopped = self.wait_for("stopped")
        self.code = self._process.wait(20)
        self._reader.join(20)
        return stopped

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._reader.join(20)
