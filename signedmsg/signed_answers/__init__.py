"""Signed answers: receipts for messages and bound responses for calls, signed on one side, verified on the other."""

from __future__ import annotations

from signedmsg._core.answer_token import Receipt, ReceiptOutcome, RequestRef, SignedResponse
from signedmsg.signed_answers.signing import AnswerSigner, AsyncAnswerSigner
from signedmsg.signed_answers.verifying import AnswerVerifier, AsyncAnswerVerifier

__all__ = [
    "AnswerSigner",
    "AnswerVerifier",
    "AsyncAnswerSigner",
    "AsyncAnswerVerifier",
    "Receipt",
    "ReceiptOutcome",
    "RequestRef",
    "SignedResponse",
]
