"""Routing: one handler a type, the model from its annotation, and no handler of a colour that would never run."""

from __future__ import annotations

import functools
from typing import Any, NewType, TypeVar

import anyio
import pytest
from pydantic import BaseModel

import signedmsg
from signedmsg import JSONValue, Message, PayloadError, Router, UnknownTypeError

from .peers import memory, receiver, sign


class Invoice(BaseModel):
    number: int


class Ledger:
    """Notes what its handlers were given."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def paid(self, message: Message[Invoice]) -> None:
        self.seen.append(message.data)

    def any(self, message: Message[Any]) -> None:
        self.seen.append(message.data)

    async def later(self, message: Message[Invoice]) -> None:
        await anyio.lowlevel.checkpoint()
        self.seen.append(message.data)

    def __call__(self, message: Message[Invoice]) -> None:
        self.seen.append(message.data)


class AsyncCallable:
    async def __call__(self, message: Message[Invoice]) -> None:
        """Take it."""


def plain(message: Message[JSONValue]) -> None:
    """Take it."""


async def suspending(message: Message[Invoice]) -> None:
    """Take it."""


def with_model(message: Message[Invoice]) -> None:
    """Take it."""


def with_forward_reference(message: Message[Nowhere]) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Take it."""


def generator(message: Message[Invoice]) -> Any:
    yield message


async def async_generator(message: Message[Invoice]) -> Any:
    yield message


def two_arguments(message: Message[Invoice], more: int) -> None:
    """Take it."""


def no_arguments() -> None:
    """Take nothing."""


def keyword_only(*, message: Message[Invoice]) -> None:
    """Take it by name."""


def with_default(message: Message[Invoice], more: int = 1) -> None:
    """Take it."""


def unannotated(message):  # type: ignore[no-untyped-def]
    """Take it."""


def handled(router: Router, data: object = None, type: str = "invoice.paid") -> Any:
    return receiver().handle(sign({"number": 7} if data is None else data, type=type), router)


def test_handler_gets_its_message_and_the_outcome_holds_it() -> None:
    router, ledger = Router(), Ledger()
    router.on("invoice.paid")(ledger.paid)
    outcome = handled(router)
    assert ledger.seen == [Invoice(number=7)]
    assert (outcome.message.data, outcome.duplicate) == (Invoice(number=7), False)


def test_decorator_returns_the_handler_itself() -> None:
    router = Router()
    assert router.on("a")(plain) is plain
    assert router.on("b", Invoice)(unannotated) is unannotated
    assert router.fallback(plain) is plain


def test_each_type_goes_to_its_own_handler_and_the_rest_to_the_fallback() -> None:
    router, one, other, rest = Router(), Ledger(), Ledger(), Ledger()
    router.on("a")(one.any)
    router.on("b")(other.any)
    router.fallback(rest.any)
    for type in ("a", "b", "b", "c"):
        handled(router, type, type)
    assert (one.seen, other.seen, rest.seen) == (["a"], ["b", "b"], ["c"])


def test_type_without_a_handler_is_refused_and_its_token_not_used_up() -> None:
    cache = memory()
    token = sign({"number": 7})
    with pytest.raises(UnknownTypeError):
        receiver(cache).handle(token, Router())
    router = Router()
    router.on("invoice.paid")(plain)
    assert receiver(cache).handle(token, router).message.type == "invoice.paid"


@pytest.mark.parametrize(
    "handler",
    [Ledger().paid, Ledger(), with_model, functools.partial(with_model), with_default],
    ids=["method", "object", "function", "partial", "default"],
)
def test_model_is_read_from_the_annotation(handler: Any) -> None:
    router = Router()
    router.on("invoice.paid")(handler)
    with pytest.raises(PayloadError) as caught:
        handled(router, {"number": "x"})
    assert [pointer for pointer, _ in caught.value.errors] == ["/number"]


@pytest.mark.parametrize(
    "handler",
    [plain, Ledger().any, unannotated, print, lambda message: None],
    ids=["json", "any", "none", "builtin", "lambda"],
)
def test_handler_without_a_model_takes_any_json(handler: Any) -> None:
    router = Router()
    router.on("invoice.paid")(handler)
    assert handled(router, ["anything"]).message.data == ["anything"]


def test_annotation_that_is_no_text_is_read_too() -> None:
    def taking_json(message: object) -> None:
        """Take it."""

    def taking_a_model(message: object) -> None:
        """Take it."""

    taking_json.__annotations__["message"] = Message[JSONValue]
    taking_a_model.__annotations__["message"] = Message[Invoice]
    router = Router()
    router.on("a")(taking_json)
    router.on("b")(taking_a_model)
    assert handled(router, [None], "a").message.data == [None]
    assert handled(router, {"number": 1}, "b").message.data == Invoice(number=1)


def test_alias_for_json_need_not_be_a_name_of_the_handlers_module() -> None:
    router = Router()

    def through_the_package(message: Message[signedmsg.JSONValue]) -> None:
        """Take it."""

    router.on("a")(through_the_package)
    assert handled(router, {"n": [1.5]}, "a").message.data == {"n": [1.5]}


def test_model_given_beats_the_annotation() -> None:
    router = Router()
    router.on("invoice.paid", dict[str, str])(with_model)  # type: ignore[arg-type]
    assert handled(router, {"a": "b"}).message.data == {"a": "b"}


def test_misfit_is_refused_before_the_token_is_used_up() -> None:
    cache, ledger, strict, loose = memory(), Ledger(), Router(), Router()
    strict.on("invoice.paid")(ledger.paid)
    loose.on("invoice.paid")(ledger.any)
    token = sign({"number": "x"})
    with pytest.raises(PayloadError):
        receiver(cache).handle(token, strict)
    receiver(cache).handle(token, loose)
    assert ledger.seen == [{"number": "x"}]


def test_second_handler_of_a_type_is_refused() -> None:
    router = Router()
    router.on("a")(plain)
    with pytest.raises(ValueError, match="'a' has a handler already"):
        router.on("a")


def test_second_use_of_one_decorator_is_refused() -> None:
    register = Router().on("a")
    register(plain)
    with pytest.raises(ValueError, match="has a handler already"):
        register(with_model)


def test_second_fallback_is_refused() -> None:
    router = Router()
    router.fallback(plain)
    with pytest.raises(ValueError, match="fallback already"):
        router.fallback(plain)


@pytest.mark.parametrize("type", ["", "a\n", "t" * 257, None, 7, plain], ids=repr)
def test_what_is_no_message_type_is_refused(type: Any) -> None:
    with pytest.raises(ValueError, match="message type"):
        Router().on(type)


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (generator, "generator"),
        (async_generator, "generator"),
        (two_arguments, "one argument"),
        (no_arguments, "one argument"),
        (keyword_only, "one argument"),
        ("paid", "takes one Message"),
        (None, "takes one Message"),
        (with_forward_reference, "cannot be read"),
    ],
    ids=["generator", "async-generator", "two", "none", "keyword", "text", "nothing", "forward-reference"],
)
def test_what_cannot_be_a_handler_is_a_type_error(handler: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        Router().on("a")(handler)


def test_model_that_pydantic_does_not_understand_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no payload model"):
        Router().on("a", object())(unannotated)  # type: ignore[call-overload]


Invoices = NewType("Invoices", Message[Invoice])
BoundToInvoice = TypeVar("BoundToInvoice", bound=Invoice)


def optional(message: Message[Invoice] | None) -> None:
    """Take it."""


def one_or_other(message: Message[Invoice] | Message[str]) -> None:
    """Take it."""


def new_type(message: Invoices) -> None:
    """Take it."""


def bound_variable(message: Message[BoundToInvoice]) -> None:
    """Take it."""


def unreadable_neighbour(message: Message[Invoice], more: "int | 'Elsewhere'" = 1) -> None:  # type: ignore[name-defined] # noqa: F821, UP037
    """Take it."""


class Taker:
    """A handler that is made with the message."""

    def __init__(self, message: Message[Invoice]) -> None:
        """Take it."""


@pytest.mark.parametrize("handler", [new_type, bound_variable, Taker], ids=["new-type", "bound", "class"])
def test_model_is_found_behind_another_name(handler: Any) -> None:
    router = Router()
    router.on("invoice.paid")(handler)
    with pytest.raises(PayloadError):
        handled(router, {"number": "x"})


def test_annotation_beside_the_message_is_not_evaluated() -> None:
    router = Router()
    router.on("invoice.paid")(unreadable_neighbour)
    with pytest.raises(PayloadError):
        handled(router, {"number": "x"})


@pytest.mark.parametrize("handler", [optional, one_or_other])
def test_model_that_cannot_be_read_from_the_annotation_is_a_type_error_and_never_passed_over(handler: Any) -> None:
    with pytest.raises(TypeError, match="annotat"):
        Router().on("a")(handler)
