"""JOSE, strict and asymmetric only; knows nothing of messages."""
