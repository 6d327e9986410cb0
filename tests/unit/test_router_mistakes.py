"""What a router says to the commonest mistakes, before the first message comes."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from signedmsg import Message, Router


class Invoice(BaseModel):
    number: int


@pytest.mark.parametrize("pattern", ["*", "invoice.*"])
def test_pattern_in_place_of_a_type_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="one exact type; register each, or a fallback"):
        Router().on(pattern)


def test_decorator_without_a_type_is_refused() -> None:
    def paid(message: Message[Invoice]) -> None: ...

    with pytest.raises(ValueError, match="message type is missing"):
        Router().on(paid)  # type: ignore[call-overload]


def test_handler_that_expects_the_model_itself_is_refused() -> None:
    def paid(invoice: Invoice) -> None: ...

    with pytest.raises(TypeError, match=r"annotate it Message\[Invoice\]"):
        Router().on("invoice.paid")(paid)
