"""The order of things, written once, over ports."""
