"""Cases of what is served: documents that are wrong, too big, older, or of another server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.directory.certificates import authority
from tests.directory.faults import (
    MEBIBYTE,
    cut_off,
    document,
    good,
    gzip_bomb,
    html,
    huge,
    member,
    redirect,
    tagged,
    truncated,
)
from tests.peers.trial import A, B, Result, Trial, said

if TYPE_CHECKING:
    from tests.directory.server import Script


def big_body(trial: Trial) -> Result:
    trial.serve(huge(300))
    return _swallowed(trial)


def big_gzip(trial: Trial) -> Result:
    trial.serve(gzip_bomb(300))
    return _swallowed(trial)


def _swallowed(trial: Trial) -> Result:
    before = trial.subject.peak()
    found = trial.find(A)
    grown = (trial.subject.peak() - before) / 1024
    deadline = time.monotonic() + 5
    while not trial.server.sent["/keys.json"] and time.monotonic() < deadline:
        time.sleep(0.01)
    taken = trial.server.sent["/keys.json"] / MEBIBYTE
    text = f"{said(found.kind)}, took {taken:.1f} MiB, memory +{grown:.0f} MiB"
    return Result(text, found.kind == "unavailable" and taken < 20 and grown < 20)


def redirected(trial: Trial) -> Result:
    trial.server.serve(good(document(A)), path="/elsewhere")
    trial.serve(redirect(trial.server.url("/elsewhere")))
    kind = trial.find(A).kind
    followed = trial.server.count("/elsewhere")
    return Result(f"{said(kind)}, {'followed' if followed else 'not followed'}", kind == "unavailable" and not followed)


def html_page(trial: Trial) -> Result:
    return _kept(trial, html())


def half_a_document(trial: Trial) -> Result:
    return _kept(trial, truncated(document(A)))


def half_a_body(trial: Trial) -> Result:
    return _kept(trial, cut_off(document(A)))


def server_error(trial: Trial) -> Result:
    return _kept(trial, html(500))


def _kept(trial: Trial, script: Script) -> Result:
    """Serve something useless until every client's set is past its lifetime: is the key still known?"""
    trial.warm()
    trial.serve(script)
    trial.subject.advance(650)
    kind = trial.find(A).kind
    return Result(said(kind), kind == "key")


def duplicate_kid(trial: Trial) -> Result:
    trial.serve(good(document(A, member(B, kid=A.kid))))
    found = trial.find(A)
    chosen = {A.public.to_jwk()["x"]: "the first", B.public.to_jwk()["x"]: "the last"}.get(found.x, found.kind)
    return Result(f"{chosen} is used" if found.kind == "key" else found.kind, found.kind == "unknown")


def private_member(trial: Trial) -> Result:
    trial.serve(good(document(A.dangerously_to_jwk(), B)))
    leaked, other = trial.find(A).kind, trial.find(B).kind
    text = f"{'leaked key used' if leaked == 'key' else leaked}, other key {said(other)}"
    return Result(text, leaked != "key" and other == "key")


def replaced_under_its_kid(trial: Trial) -> Result:
    trial.warm()
    trial.serve(good(document(member(B, kid=A.kid))))
    trial.subject.refresh()
    found = trial.find(A)
    used = {A.public.to_jwk()["x"]: "the old key", B.public.to_jwk()["x"]: "the new key"}.get(found.x, found.kind)
    return Result(used, used != "the old key")


def rolled_back(trial: Trial) -> Result:
    trial.serve(good(document(A, sequence=42)))
    trial.warm()
    trial.serve(good(document(A, B, sequence=41)))
    trial.subject.refresh()
    kind = trial.find(B).kind
    return Result("the removed key is back" if kind == "key" else kind, kind == "unknown")


def removed(trial: Trial) -> Result:
    trial.warm()
    trial.serve(good(document(B)))
    for seconds in range(0, 7200, 30):
        if trial.find(A).kind == "unknown":
            return Result(f"refused after {seconds} s", seconds <= 330)
        trial.subject.advance(30)
        # Reading ahead takes its own thread where a client has one.
        time.sleep(0.02)
    return Result("not refused within two hours", False)


def revoked(trial: Trial) -> Result:
    trial.warm()
    trial.serve(good(document(A, B, revoked=[{"kid": A.kid}])))
    return _after_refresh(trial)


def emptied(trial: Trial) -> Result:
    trial.warm()
    trial.serve(good(document()))
    return _after_refresh(trial)


def _after_refresh(trial: Trial) -> Result:
    trial.subject.refresh()
    kind = trial.find(A).kind
    return Result("still accepted" if kind == "key" else kind, kind == "unknown")


def entity_tag(trial: Trial) -> Result:
    trial.serve(tagged(document(A), '"1"'))
    trial.warm()
    trial.subject.refresh()
    sent = trial.server.at()[-1].headers.get("if-none-match")
    return Result("sent" if sent else "not sent", sent == '"1"' and trial.find(A).kind == "key")


def max_age(trial: Trial) -> Result:
    trial.serve(good(document(A), cache_control="max-age=60"))
    trial.warm()
    for seconds in range(0, 1200, 5):
        trial.find(A)
        # Reading ahead takes its own thread where a client has one.
        time.sleep(0.01)
        if trial.server.count() > 1:
            return Result(f"read again after {seconds} s", seconds <= 65)
        trial.subject.advance(5)
    return Result("not read again", False)


def expired_certificate(trial: Trial) -> Result:
    trial.open(authority().serving(expired=True))
    return _distrusted(trial)


def wrong_host(trial: Trial) -> Result:
    trial.open(authority().serving(host="elsewhere.example"))
    return _distrusted(trial)


def _distrusted(trial: Trial) -> Result:
    kind = trial.find(A).kind
    return Result(
        f"{said(kind)}, {'nothing' if not trial.server.count() else 'a request'} sent",
        kind == "unavailable" and not trial.server.count(),
    )
