"""Cases of load and outage: floods of unknown kids, servers that are down, clients that wait."""

from __future__ import annotations

import time

from tests.directory.faults import Gate, answer, document, drip_body, drip_head, good, hang, reset, slow
from tests.peers.trial import LIMIT, A, B, Result, Trial, counted, said


def random_kids_warm(trial: Trial) -> Result:
    trial.warm()
    trial.subject.advance(31)
    fetches = trial.random_kids(200, 0)
    return Result(counted(fetches), fetches <= 1)


def random_kids_while_it_fails(trial: Trial) -> Result:
    trial.warm()
    trial.subject.advance(31)
    trial.serve(answer(500))
    fetches = trial.random_kids(200, 60)
    return Result(counted(fetches), fetches <= 6)


def random_kids_while_it_hangs(trial: Trial) -> Result:
    trial.warm()
    trial.subject.advance(31)
    trial.serve(hang)
    began = time.perf_counter()
    fetches = trial.random_kids(20, 60)
    return Result(f"{counted(fetches)}, {time.perf_counter() - began:.0f} s of waiting", fetches <= 6)


def known_kid_while_a_refetch_hangs(trial: Trial) -> Result:
    trial.warm()
    usual = min(trial.find(A).ms for _ in range(50))
    trial.subject.advance(31)
    gate = Gate()
    trial.serve(gate.before(good(document(A))))
    other = trial.aside("forged")
    assert gate.reached.wait(5)
    trial.after(2, gate.open)
    found = trial.find(A)
    other.result()
    extra = found.ms - usual
    return Result(f"{said(found.kind)}, {max(extra, 0):.2f} ms more", found.kind == "key" and extra < 1)


def fifty_cold_look_ups(trial: Trial) -> Result:
    trial.serve(slow(0.2, good(document(A))))
    found = [look.result() for look in [trial.aside(A) for _ in range(50)]]
    good_ones = sum(one.kind == "key" for one in found)
    return Result(
        f"{counted(trial.server.count())}, {good_ones} of 50 found", trial.server.count() == 1 and good_ones == 50
    )


def down_for_an_hour(trial: Trial) -> Result:
    trial.warm()
    trial.serve(reset)
    kinds = []
    for _ in range(60):
        trial.subject.advance(59)
        kinds.append(trial.find(A).kind)
    return Result(f"{kinds.count('key')} of 60 found", kinds.count("key") == 60)


def down_for_a_day(trial: Trial) -> Result:
    trial.warm()
    trial.serve(reset)
    trial.subject.advance(86400)
    kind = trial.find(A).kind
    return Result(said(kind), kind == "unavailable")


def rotation_during_a_flood(trial: Trial) -> Result:
    trial.warm()
    trial.subject.advance(31)
    for second in range(3600):
        if second == 10:
            trial.serve(good(document(A, B)))
        trial.find(f"forged-{second}")
        if second >= 10 and trial.find(B).kind == "key":
            return Result(f"after {second - 10} s", second <= 40)
        trial.subject.advance(1)
    return Result("not within an hour", False)


def slow_head(trial: Trial) -> Result:
    trial.serve(drip_head())
    return _held(trial)


def slow_body(trial: Trial) -> Result:
    trial.serve(drip_body(document(A, pad="x" * 2000)))
    return _held(trial)


def _held(trial: Trial) -> Result:
    began = time.perf_counter()
    found = trial.patiently(A)
    held = time.perf_counter() - began
    if found is None:
        return Result(f"over {LIMIT:.0f} s", False)
    return Result(f"{said(found.kind)} after {held:.1f} s", found.kind == "unavailable" and held < 6)


def retry_after(trial: Trial) -> Result:
    trial.serve(answer(429, retry_after="120"))

    def look() -> None:
        for _ in range(11):
            trial.find(A)
            trial.subject.advance(10)

    fetches = trial.fetches(look)
    return Result(f"{counted(fetches)} in 110 s", fetches == 1)
