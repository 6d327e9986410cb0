"""base64url: one text for each octet string and no other."""

from __future__ import annotations

import time

import pytest

from signedmsg._jose import base64url

# RFC 4648 §10, without the padding; the last two hold the characters that differ from plain base64.
KNOWN = [
    (b"", ""),
    (b"f", "Zg"),
    (b"fo", "Zm8"),
    (b"foo", "Zm9v"),
    (b"foob", "Zm9vYg"),
    (b"foobar", "Zm9vYmFy"),
    (b"\xfb\xef\xbe", "----"),
    (b"\xff\xff\xff", "____"),
]
READERS = {"the whole": base64url.decode, "the plain codec": base64url._plain_decode}
NOT_CANONICAL = {
    "a length of 4n+1": "Zm9vY",
    "a single character": "A",
    "stray bits after one octet": "Zh",
    "stray bits after two octets": "Zm9",
    "stray bits after a long text": "A" * 1000 + "AB",
    "padding": "Zg==",
    "padding alone": "====",
    "a plus sign": "Zm+v",
    "a slash": "Zm/v",
    "a line feed at the end": "Zm9v\n",
    "a line feed within": "Zm\n9v",
    "four line feeds within": "Zm9v\n\n\n\nZm9v",
    "four spaces at the end": "Zm9v    ",
    "a space": "Zm 9v",
    "a dot": "Zm9v.Zm9v",
    "a null character": "Zm9v\x00",
    "a letter outside ASCII": "Zm9\u00e9",
    "a digit outside ASCII": "Zm9\u0661",
    "a lone surrogate": "Zm9\ud800",
}


@pytest.mark.parametrize(("data", "text"), KNOWN)
def test_octets_are_written_as_the_rfc_does(data: bytes, text: str) -> None:
    assert base64url.encode(data) == text


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("data", "text"), KNOWN)
def test_the_text_of_the_rfc_is_read_back(reader: str, data: bytes, text: str) -> None:
    assert READERS[reader](text) == data


@pytest.mark.parametrize("text", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        base64url.decode(text)


@pytest.mark.parametrize("wrong", [wrong for wrong, text in NOT_CANONICAL.items() if set("=+/").isdisjoint(text)])
def test_the_plain_codec_is_as_strict_as_the_quick_one(wrong: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are those of `binascii`
        base64url._plain_decode(NOT_CANONICAL[wrong])


def test_the_refusal_does_not_repeat_the_text() -> None:
    with pytest.raises(ValueError, match="base64url") as caught:
        base64url.decode("secret!secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("size", [2, 3])
def test_of_all_short_texts_only_the_written_ones_are_read(size: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    texts = {first + "A" * (size - 2) + last for first in alphabet for last in alphabet}
    written = {base64url.encode(_octets(text)) for text in texts if _reads(text)}
    assert {text for text in texts if _reads(text)} == written
    assert len(written) == len(alphabet) * (4 if size == 2 else 16)


def test_the_quick_codec_is_in_use_with_the_pydantic_core_at_hand() -> None:
    assert base64url._core_is_exact()
    assert base64url.decode_unpadded is base64url._core_decode
    assert base64url.encode is base64url._core_encode


def test_a_quarter_of_a_mebibyte_is_read_in_no_time() -> None:
    text = base64url.encode(bytes(range(256)) * 1024)
    begun = time.thread_time()
    assert len(base64url.decode(text)) == 256 * 1024
    assert time.thread_time() - begun < 0.1


def _reads(text: str) -> bool:
    try:
        base64url.decode(text)
    except ValueError:
        return False
    return True


def _octets(text: str) -> bytes:
    return base64url.decode(text)
