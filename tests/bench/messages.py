"""Signing and verifying, ours and every peer's, at each payload: the groups `sign` and `verify`."""

from __future__ import annotations

import os
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Final

from tests.bench import floors, ours, payloads
from tests.bench.measure import Candidate, Figure, Method, measure
from tests.bench.peers.rules import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

    from tests.bench.peers.rules import Peer

WORK: Final = ("verify", "sign")
ALGORITHMS: Final = ("ES256", "Ed25519")
PAYLOADS: Final = (*payloads.SIZES, payloads.LINES)


class NotRefusedError(Exception):
    """A verifier accepted a token twice, so its figure would be of something else."""


def case_of(work: str, alg: str, payload: str) -> str:
    """Return a case's name."""
    return f"{work} {alg} {payload}"


def cases(work: str) -> list[str]:
    """Return the names of all cases of one kind of work."""
    return [case_of(work, alg, payload) for alg in ALGORITHMS for payload in PAYLOADS]


def figures_of(case: str, peers: Sequence[Peer], method: Method) -> dict[str, Figure]:
    """Measure one case: everybody who can do it, side by side."""
    work, alg, payload = case.split(" ", 2)
    able = [each for each in peers if alg in each.algorithms]
    return measure((signing if work == "sign" else verifying)(Keys(alg), able, payload), method)


def data_of(payload: str) -> tuple[list[Any], type[BaseModel] | None]:
    """Return the payloads of a case, and their model; a mix has none."""
    if payload == payloads.LINES:
        return payloads.lines(os.environ.get(payloads.VARIABLE)), None
    return [payloads.order(payloads.SIZES[payload])], payloads.Order


def signing(keys: Keys, peers: Sequence[Peer], payload: str) -> list[Candidate]:
    data, _ = data_of(payload)
    sign = ours.signer(keys)
    pairs = [(each, floors.take(sign(each), keys.alg).signing_input) for each in data]
    found = [Candidate(name, call, _repeating(pairs), len(data)) for name, call in floors.signing(keys).items()]
    found.append(Candidate(ours.NAME, sign, _repeating(data), len(data)))
    # Two uses of one library differ in how they verify; the first one signs.
    packages = {each.package: each for each in reversed(peers)}
    found += [
        Candidate(each.name, each.signer(keys), _repeating(data), len(data)) for each in reversed(packages.values())
    ]
    return found


def verifying(keys: Keys, peers: Sequence[Peer], payload: str) -> list[Candidate]:
    data, model = data_of(payload)
    sign = ours.signer(keys)

    def taken(count: int) -> list[floors.Taken]:
        # As fresh in memory as the tokens of the others.
        return [floors.take(sign(each), keys.alg) for each in islice(cycle(data), count)]

    found = [Candidate(name, call, taken, len(data)) for name, call in floors.verifying(keys, model).items()]
    plain = ours.receiver(keys).verify
    found.append(_once(ours.AS_JSON, plain, sign, data))
    if model is not None:
        typed = ours.receiver(keys).verify
        found.append(_once(ours.NAME, lambda token: typed(token, model), sign, data))
        other = ours.receiver(keys).verify
        reordered = ours.in_other_order(keys, sign)
        found.append(_once(ours.REORDERED, lambda token: other(token, model), reordered, data))
    found += [_once(each.name, each.verifier(keys, model), each.signer(keys), data) for each in peers]
    return found


def _repeating(inputs: list[Any]) -> Callable[[int], list[Any]]:
    return lambda count: list(islice(cycle(inputs), count))


def _once(name: str, verify: Callable[[Any], object], sign: Callable[[Any], Any], data: list[Any]) -> Candidate:
    """Return a candidate that meets every token once, after it has shown that it refuses a second time."""
    token = sign(data[0])
    verify(token)
    try:
        verify(token)
    except Exception:  # noqa: BLE001 - each library has its own
        return Candidate(name, verify, lambda count: [sign(each) for each in islice(cycle(data), count)], len(data))
    raise NotRefusedError(name)
