"""The protocol as pure functions of data and time."""
