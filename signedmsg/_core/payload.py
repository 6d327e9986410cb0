"""Between a caller's objects and JSON: what is sent can be sent faithfully, what arrives fits its model."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast, get_args

from pydantic_core import PydanticSerializationError, ValidationError, from_json, to_json
from pydantic_core.core_schema import ErrorType

from signedmsg._jose import strict_json
from signedmsg.errors import PayloadError, SigningError

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._jose.strict_json import JSONValue

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# The claims set and `msg` are two levels of every token's depth.
MAX_DATA_DEPTH: Final = strict_json.MAX_DEPTH - 2
_MAX_INTEGER: Final = 2**53 - 1
_PLAIN: Final = frozenset({dict, list, str})
# Every digit as 0 and all else as a space: searching that is much faster than by a pattern.
_DIGITS: Final = bytes(0x30 if 0x30 <= octet <= 0x39 else 0x20 for octet in range(256))
_SIXTEEN_DIGITS: Final = b"0" * 16
# Where such a number can stand, or something that looks like it inside a string.
_LONG_INTEGER: Final = re.compile(rb"(?:^|[\[:,])-?[0-9]{16}")
_MAX_ERRORS: Final = 20
# The texts that hold no value: not those of a user's own validators (custom types are not
# among pydantic's), and not the one that quotes the tag of a union.
_SPEAKABLE: Final = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error", "union_tag_invalid"}


class Model(Protocol[T_co]):
    """A validator of one payload type: JSON text in, an object of that type out."""

    def validate_json(self, data: bytes, /) -> T_co: ...


def encode_data(data: object, *, root: str = "data") -> bytes:
    """Return `data` as compact JSON that every JSON reader reads as the same value.

    A pydantic model is dumped by alias in JSON mode. The object itself is not changed.

    Raises:
        SigningError: something in it has no faithful JSON form; `path` says where.
    """
    dump = None if type(data) in _PLAIN else getattr(data, "model_dump", None)
    if callable(dump) and not isinstance(data, type):
        data = _dump_model(dump)
    encoded = _encode_plain(data)
    if encoded is not None:
        return encoded
    try:
        encoded = strict_json.dumps(data)
    except (TypeError, ValueError, RecursionError):
        encoded = None
    try:
        _inspect(data, "", 0, frozenset())
    except SigningError as error:
        raise SigningError(f"{root}{error}", path=error.path) from None
    if encoded is None:
        raise SigningError(f"{root}: it has no JSON form")
    return encoded


def _encode_plain(data: object) -> bytes | None:
    """Return data as JSON if that is seen at once to be faithful, else None."""
    try:
        encoded = to_json(data)
        # The encoder turns a key 1 into "1", a tuple into a list and a date into a text without a word;
        # what reads back equal has suffered nothing.
        if from_json(encoded, allow_inf_nan=False) != data:
            return None
    except (TypeError, ValueError, RecursionError):
        return None
    if _SIXTEEN_DIGITS in encoded.translate(_DIGITS) and _LONG_INTEGER.search(encoded):
        return None
    return encoded if strict_json.depth(encoded, MAX_DATA_DEPTH) <= MAX_DATA_DEPTH else None


def _dump_model(dump: Callable[..., object]) -> object:
    try:
        written, held = dump(mode="json", by_alias=True), dump(by_alias=True)
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        raise SigningError(f"the model cannot be written as JSON: {type(error).__name__}") from error
    _refuse_lost_numbers(written, held, "")
    return written


def _refuse_lost_numbers(written: object, held: object, path: str) -> None:
    """Refuse a NaN or an infinity in an untyped field: pydantic's JSON mode makes it null without a word."""
    if written is None and isinstance(held, float) and not math.isfinite(held):
        raise _unfaithful(path, "JSON has no NaN and no Infinity")
    for (step, one), (_, other) in zip(_members(written), _members(held), strict=False):
        _refuse_lost_numbers(one, other, f"{path}/{_escape(step)}")


def _members(value: object) -> list[tuple[object, object]]:
    if isinstance(value, dict):
        return list(cast("dict[object, object]", value).items())
    return list(enumerate(cast("list[object]", value))) if isinstance(value, (list, tuple)) else []


def _inspect(value: object, path: str, depth: int, above: frozenset[int]) -> None:
    """Find, with its path, what cannot be sent faithfully."""
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _inspect_text(value, path)
    elif isinstance(value, int):
        if not -_MAX_INTEGER <= value <= _MAX_INTEGER:
            raise _unfaithful(path, "an integer beyond 2^53 - 1 is rounded by many readers; send it as a string")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _unfaithful(path, "JSON has no NaN and no Infinity")
    elif isinstance(value, (dict, list, tuple)):
        _inspect_container(cast("dict[object, object] | list[object]", value), path, depth + 1, above)
    else:
        raise _unfaithful(
            path, f"a {type(value).__name__} is not JSON; use a pydantic model, or convert it before signing"
        )


def _inspect_container(
    value: dict[object, object] | list[object], path: str, depth: int, above: frozenset[int]
) -> None:
    if id(value) in above:
        raise _unfaithful(path, "the data contains itself")
    if depth > MAX_DATA_DEPTH:
        raise _unfaithful(path, f"nested deeper than {MAX_DATA_DEPTH} levels")
    above = above | {id(value)}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in items:
        if isinstance(value, dict):
            if not isinstance(key, str):
                raise _unfaithful(path, f"a member name must be a str, not {type(key).__name__}")
            _inspect_text(key, path)
        _inspect(member, f"{path}/{_escape(key)}", depth, above)


def _inspect_text(value: str, path: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _unfaithful(path, "a lone surrogate is not Unicode text") from None


def _escape(step: object) -> str:
    """Write one step of a JSON Pointer (RFC 6901 §3)."""
    text = str(step).encode("utf-8", "replace").decode()
    return text.replace("~", "~0").replace("/", "~1")


def _unfaithful(path: str, why: str) -> SigningError:
    return SigningError(f"{path}: {why}", path=path)


def fit(data: JSONValue, model: Model[T], written: bytes | None = None) -> T:
    """Validate verified data into its model.

    The strict parser has already refused duplicate names, NaN and overflow, which
    pydantic's own parser would let through; here it sees the same value written anew.

    Args:
        data: what the strict parser made of it.
        model: the validator.
        written: the same as compact JSON that says each thing once, where it came so.

    Raises:
        PayloadError: the data does not fit; its `errors` hold pointers, never values.
    """
    try:
        return model.validate_json(to_json(data) if written is None else written)
    except ValidationError as error:
        raise PayloadError("the data does not fit the model", errors=_explain(error)) from None
    except Exception as error:
        # A validator that trips over what a sender wrote must not look like our outage.
        raise PayloadError(f"the model failed on the data: {type(error).__name__}") from error


def _explain(error: ValidationError) -> list[tuple[str, str]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        (
            "".join(f"/{_escape(step)}" for step in one["loc"])[:200],
            one["msg"][:200] if one["type"] in _SPEAKABLE else "refused by the model",
        )
        for one in found[:_MAX_ERRORS]
    ]


class Models:
    """The validators of payload types, made once each; one such book a receiver or router."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[object, Model[object]] = {}

    def of(self, model: type[T]) -> Model[T]:
        """Return the validator of a pydantic model or of any type pydantic understands.

        Raises:
            TypeError: pydantic cannot make a validator of it.
        """
        try:
            known = self._known.get(model)
        except TypeError:
            raise _no_class(model) from None
        if known is None:
            known = self._known[model] = _validator(model)
        return cast("Model[T]", known)


def _no_class(model: object) -> TypeError:
    return TypeError(
        "model: expected a class, such as a pydantic model, or a type such as list[int]; "
        f"got an object of the class {type(model).__name__}"
    )


def _validator(model: type[object]) -> Model[object]:
    # An object of a model that can be hashed.
    if hasattr(type(model), "__pydantic_validator__"):
        raise _no_class(model)
    # Importing pydantic's models costs 40 ms, and a receiver without models never pays it.
    from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter

    try:
        adapter = TypeAdapter(model)
        # A model that waits for a name not yet defined would fail on every message instead.
        if not adapter.pydantic_complete:
            adapter.rebuild(raise_errors=True)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError) as error:
        raise TypeError(f"{model!r} is no payload model: {error}") from error
    return cast("Model[object]", adapter.validator)
