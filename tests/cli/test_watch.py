"""What is logged of a refused request, whatever its method."""

from __future__ import annotations

import io
from typing import Any

from signedmsg import Router
from signedmsg.cli.watch import Watch
from signedmsg.wsgi import Endpoint
from tests.unit.peers import receiver


def test_refused_head_request_is_answered_and_logged_though_its_answer_has_no_body() -> None:
    records: list[dict[str, Any]] = []
    statuses: list[str] = []
    endpoint = Watch(records.append).around(Endpoint(receiver(), Router()))
    environ: Any = {"REQUEST_METHOD": "HEAD", "wsgi.input": io.BytesIO()}
    assert list(endpoint(environ, lambda status, *_: statuses.append(status))) == [b""]  # type: ignore[arg-type,func-returns-value]
    assert statuses == ["405 Method Not Allowed"]
    assert [record["code"] for record in records] == ["method_not_allowed"]
