"""Wrong in time: each boundary to the second, from both of its sides."""

from __future__ import annotations

from typing import Final

from .table import Row, Setup
from .tokens import NOW, envelope

LEEWAY: Final = 30


def at(now: float, **options: object) -> Setup:
    return Setup(now=now, options=options)


def lived(iat: int, exp: int) -> str:
    return envelope({"iat": iat, "exp": exp})


STRICT: Final = {"leeway": 0}
TIMES: Final = {
    "r77-expired-one-second-after-the-leeway": ("expired", envelope(), at(NOW + 60 + LEEWAY + 1)),
    "r77-expired-at-the-last-moment": ("expired", envelope(), at(NOW + 60 + LEEWAY)),
    "r77-expired-at-once-without-leeway": ("expired", envelope(), at(NOW + 60, **STRICT)),
    "r77-expired-long-ago": ("expired", lived(1, 2), at(NOW)),
    "r81-iat-one-second-beyond-the-leeway": ("not_yet_valid", lived(NOW + 31, NOW + 91), at(NOW)),
    "r81-iat-a-fraction-beyond-the-leeway": ("not_yet_valid", lived(NOW + 31, NOW + 91), at(NOW + 0.999)),
    "r81-iat-ahead-without-leeway": ("not_yet_valid", lived(NOW + 1, NOW + 61), at(NOW, **STRICT)),
    "r81-iat-in-a-far-future": ("not_yet_valid", lived(2**53 - 60, 2**53 - 1), at(NOW)),
    "r80-nbf-one-second-beyond-the-leeway": ("not_yet_valid", envelope({"nbf": NOW + 31}), at(NOW)),
    "r80-nbf-after-exp": ("not_yet_valid", envelope({"nbf": NOW + 3600}), at(NOW)),
    "r82-one-second-too-long": ("lifetime", lived(NOW, NOW + 301), at(NOW)),
    "r82-one-second-longer-than-configured": ("lifetime", lived(NOW, NOW + 61), at(NOW, max_lifetime=60)),
    "r82-ten-years": ("lifetime", lived(NOW, NOW + 315_360_000), at(NOW)),
    "r82-exp-at-the-end-of-numbers": ("lifetime", lived(NOW, 2**53 - 1), at(NOW)),
    "r82-iat-at-the-beginning-of-numbers": ("lifetime", lived(1, NOW + 60), at(NOW)),
    "r83-exp-equals-iat": ("claim", lived(NOW, NOW), at(NOW)),
    "r83-exp-before-iat": ("claim", lived(NOW, NOW - 1), at(NOW)),
}
INSIDE: Final = {
    "r77-last-second-of-the-leeway": (envelope(), at(NOW + 60 + LEEWAY - 1)),
    "r77-last-fraction-of-the-leeway": (envelope(), at(NOW + 60 + LEEWAY - 0.001)),
    "r77-last-second-without-leeway": (envelope(), at(NOW + 59, **STRICT)),
    "r81-iat-at-the-end-of-the-leeway": (lived(NOW + 30, NOW + 90), at(NOW)),
    "r81-iat-now-without-leeway": (envelope(), at(NOW, **STRICT)),
    "r80-nbf-at-the-end-of-the-leeway": (envelope({"nbf": NOW + 30}), at(NOW)),
    "r80-nbf-in-the-past": (envelope({"nbf": 1}), at(NOW)),
    "r82-exactly-the-longest": (lived(NOW, NOW + 300), at(NOW)),
    "r82-exactly-the-configured": (lived(NOW, NOW + 60), at(NOW, max_lifetime=60)),
    "r83-shortest-lifetime": (lived(NOW, NOW + 1), at(NOW)),
}

ROWS: Final = tuple(Row(id, code, token, setup) for id, (code, token, setup) in TIMES.items())
ACCEPTED: Final = tuple(Row(id, "", token, setup) for id, (token, setup) in INSIDE.items())
