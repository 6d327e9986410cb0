"""The stream of messages that the demo sends: five types, from two issuers, always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg.cli.demo_receiver import BILLING, STORE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signedmsg._jose.strict_json import JSONValue

_PEOPLE: Final = ("Ada Lovelace", "Grace Hopper", "José Núñez", "Åsa Öberg", "山田 花子", "Олена Коваль", "عمر حداد")
_CITIES: Final = ("London", "New York", "Bogotá", "Malmö", "横浜", "Київ", "عمّان")
_TAGS: Final = ("vip", "newsletter", "b2b")
_GOODS: Final = ("Desk lamp", "Café crème, 250 g", "USB-C cable", "Notebook “Ruled”", "Kettle 1.7 l", "🌱 Seedling")


class Planned(NamedTuple):
    """A message to be sent."""

    issuer: str
    type: str
    data: dict[str, JSONValue]


def plan(count: int) -> Iterator[Planned]:
    """Yield so many messages."""
    makers = (_invoice_created, _order, _invoice_paid, _customer, _order, _invoice_paid, _refund)
    for number in range(count):
        yield makers[number % len(makers)](number)


def _lines(number: int) -> list[JSONValue]:
    return [
        {"sku": f"SKU-{(number * 7 + at) % 1000:03}", "title": _GOODS[(number + at) % len(_GOODS)], "quantity": at + 1}
        for at in range(1 + number % 5)
    ]


def _invoice(number: int) -> dict[str, JSONValue]:
    return {
        "number": 70_000 + number,
        "customer": f"cus_{number * 37 % 9973:04}",
        "currency": ("EUR", "USD", "JPY")[number % 3],
        "amount": 990 + number * 1731 % 250_000,
        "lines": _lines(number),
    }


def _invoice_created(number: int) -> Planned:
    return Planned(BILLING, "invoice.created", _invoice(number))


def _invoice_paid(number: int) -> Planned:
    return Planned(BILLING, "invoice.paid", _invoice(number))


def _refund(number: int) -> Planned:
    reason = None if number % 2 else "arrived broken"
    return Planned(BILLING, "payment.refunded", {"invoice": 70_000 + number, "amount": 990, "reason": reason})


def _order(number: int) -> Planned:
    at = number % len(_PEOPLE)
    ship_to: dict[str, JSONValue] = {"name": _PEOPLE[at], "city": _CITIES[at]}
    return Planned(STORE, "order.placed", {"number": number, "lines": _lines(number), "ship_to": ship_to})


def _customer(number: int) -> Planned:
    name = _PEOPLE[number % len(_PEOPLE)]
    tags: list[JSONValue] = [*_TAGS[: number % 4]]
    data: dict[str, JSONValue] = {
        "id": f"cus_{number:04}",
        "name": name,
        "email": f"c{number}@mail.example",
        "tags": tags,
    }
    return Planned(STORE, "customer.updated", data)
