"""Which octets are an Ed25519 public key that can prove anything (RFC 8032 §5.1)."""

from __future__ import annotations

from typing import Final

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P


def reason_to_refuse(encoded: bytes) -> str | None:
    """Say why these 32 octets must not be used as a public key, or return None.

    OpenSSL loads points of low order, under which one constant signature verifies for
    any message, and second spellings of points. Both are found by arithmetic rather
    than in a list, so that no encoding can be missing from it. The arithmetic takes
    variable time: a public key is no secret.
    """
    # The top bit is the sign of x.
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if y >= _P:
        return "the point is not in its canonical form"
    x_squared = _x_squared(y)
    if x_squared and pow(x_squared, (_P - 1) // 2, _P) != 1:
        return "the point is not on the curve"
    # 8 is the cofactor: three doublings lead from a point of low order to the neutral
    # element, the only point with y = 1.
    for _ in range(3):
        y = _double(y)
    return "the point is of low order" if y == 1 else None


def _x_squared(y: int) -> int:
    """Solve the curve's equation, -x² + y² = 1 + dx²y², for x²."""
    return (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P


def _double(y: int) -> int:
    """Return the y of twice a point: it depends on x² and y² only."""
    x_squared, y_squared = _x_squared(y), y * y % _P
    return (y_squared + x_squared) * pow(1 - _D * x_squared * y_squared, -1, _P) % _P
