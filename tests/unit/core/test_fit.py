"""Models: what they make of data that fits, and what is said of data that does not."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticCustomError

from signedmsg import PayloadError
from signedmsg._core.payload import Models, fit


def model(of: Any) -> Any:
    return Models().of(of)


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Strict(BaseModel, extra="forbid"):
    n: int
    names: list[Annotated[str, Field(pattern="^[a-z]+$")]] = []
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    even: int = 0
    odd: int = 1

    @field_validator("even")
    @classmethod
    def check_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"{value} is odd")
        return value

    @field_validator("odd")
    @classmethod
    def check_odd(cls, value: int) -> int:
        if not value % 2:
            raise PydanticCustomError("even", "{value} is even", {"value": value})
        return value


def misfit(data: Any, of: Any = Strict) -> tuple[tuple[str, str], ...]:
    with pytest.raises(PayloadError) as caught:
        fit(data, model(of))
    return caught.value.errors


def test_data_that_fits_becomes_an_instance() -> None:
    assert fit({"n": 1, "names": ["a"]}, model(Strict)) == Strict(n=1, names=["a"])


def test_every_misfit_is_named_by_its_pointer() -> None:
    assert [pointer for pointer, _ in misfit({"names": ["a", "B"], "more": 1})] == ["/n", "/names/1", "/more"]


def test_pointer_escapes_tilde_and_slash() -> None:
    assert [pointer for pointer, _ in misfit({"a": {"b/~c": "x"}}, dict[str, dict[str, int]])] == ["/a/b~1~0c"]


@pytest.mark.parametrize(
    "data",
    [
        {"n": "hunter2"},
        {"n": 1, "names": ["hunter2"]},
        {"n": 1, "pet": {"kind": "hunter2"}},
        {"n": 1, "pet": "hunter2"},
        {"n": 1, "more": "hunter2"},
        {"n": "hunter2" * 1000},
    ],
    ids=repr,
)
def test_misfit_never_quotes_a_value(data: Any) -> None:
    assert "hunter2" not in repr(misfit(data))


@pytest.mark.parametrize("data", [{"n": 1, "even": 4711}, {"n": 1, "odd": 4712}], ids=repr)
def test_text_of_the_users_own_validator_is_not_passed_on(data: Any) -> None:
    assert "471" not in repr(misfit(data))


def test_list_of_misfits_is_bounded() -> None:
    errors = misfit({"n": 1, "names": ["A"] * 1000, "x" * 1000: 1})
    assert len(errors) <= 20
    assert max(len(pointer) + len(detail) for pointer, detail in errors) <= 400


class Tripping(BaseModel):
    n: Any

    @field_validator("n")
    @classmethod
    def trip(cls, value: Any) -> Any:
        raise KeyError(value)


def test_validator_that_trips_is_the_payloads_fault_and_not_an_outage() -> None:
    assert misfit({"n": "hunter2"}, Tripping) == ()


@pytest.mark.parametrize("wrong", [object(), [1], {"a": 1}], ids=["object", "list", "dict"])
def test_what_pydantic_cannot_validate_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError):
        model(wrong)


def test_validator_of_a_model_is_made_once() -> None:
    models = Models()
    assert models.of(Strict) is models.of(Strict)


def test_plain_types_are_models_too() -> None:
    assert fit([1, 2], model(list[int])) == [1, 2]
    assert misfit("x", int)[0][0] == ""


class Unfinished(BaseModel):
    part: NeverDefined  # type: ignore[name-defined]  # noqa: F821


def test_model_that_waits_for_a_name_is_a_type_error_when_it_is_registered() -> None:
    with pytest.raises(TypeError, match="NeverDefined"):
        model(Unfinished)


class Whole(BaseModel):
    part: Part


class Part(BaseModel):
    n: int


def test_model_whose_names_are_defined_by_now_is_completed() -> None:
    assert fit({"part": {"n": 1}}, model(Whole)) == Whole(part=Part(n=1))
