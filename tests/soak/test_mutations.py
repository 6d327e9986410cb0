"""Random mutations: nothing that was altered is accepted, and only errors of the project come out."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from signedmsg import KeyDirectory, Receiver, VerificationError
from tests.conformance.table import Recording, Seen, issuer
from tests.conformance.tokens import AUDIENCE, ISSUER, NOW

from .mutations import KEYS, MUTATIONS, ORIGINALS, TOKENS, mutant, twin

SEED = 20_260_101
SIGNING_INPUTS = {token.rpartition(".")[0] for token in TOKENS}


def quiet(_: object) -> None:
    """Observe nothing."""


def receiver(cache: Any) -> Receiver:
    keys = issuer(*(one.jwk() for one in KEYS.values()))
    return Receiver(AUDIENCE, KeyDirectory(keys), cache, clock=lambda: NOW, observe=quiet)


def signing_input(token: str | bytes) -> str:
    text = token.decode("latin-1") if isinstance(token, bytes) else token
    return text.rpartition(".")[0]


def attack(count: int, seed: int) -> Counter[str]:
    """Present mutants of tokens that were accepted before; return how often each code was given."""
    cache = Recording(Seen())
    face = receiver(cache)
    for token in TOKENS:
        face.verify(token)
    random, codes = Random(seed), Counter[str]()
    for _ in range(count):
        token, changed = mutant(random)
        try:
            face.verify(changed)
        except VerificationError as error:
            code = error.code
        else:
            pytest.fail(f"accepted: {changed!r} made of {token!r}")
        codes[code] += 1
        # Only the very same header and payload ever get as far as the replay cache.
        if code == "replayed" and signing_input(changed) not in SIGNING_INPUTS:
            pytest.fail(f"an altered token held: {changed!r} made of {token!r}")
    assert cache.admitted == len(TOKENS)
    return codes


def test_mutated_tokens_are_all_refused_and_only_by_errors_of_the_project() -> None:
    codes = attack(20_000, SEED)
    assert {"malformed", "unsupported", "invalid_signature", "unknown_key", "claim", "replayed"} <= codes.keys()


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(3))
def test_a_long_run_of_mutated_tokens_is_all_refused(seed: int) -> None:
    assert attack(200_000, seed).total() == 200_000


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[one.__name__ for one in MUTATIONS])
def test_each_mutation_does_change_tokens(mutation: Any) -> None:
    random = Random(SEED)
    changed = [mutation(random, token) not in (token, token.encode()) for token in TOKENS]
    assert changed.count(True) > len(changed) // 2


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_twin_signature_of_an_accepted_token_is_refused_as_replayed(alg: str) -> None:
    face = receiver(Recording(Seen()))
    for token in (token for token, signer in ORIGINALS.items() if signer.alg == alg):
        face.verify(token)
        other = twin(Random(SEED), token)
        assert other != token
        with pytest.raises(VerificationError) as caught:
            face.verify(other)
        assert caught.value.code == "replayed"


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
def test_twin_signature_that_comes_first_uses_up_the_token(alg: str) -> None:
    face = receiver(Recording(Seen()))
    token = next(token for token, signer in ORIGINALS.items() if signer.alg == alg)
    assert face.verify(twin(Random(SEED), token)).issuer == ISSUER
    with pytest.raises(VerificationError) as caught:
        face.verify(token)
    assert caught.value.code == "replayed"
