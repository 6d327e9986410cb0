"""What signedmsg costs beside the bare signature and beside other libraries: `python -m tests.bench`."""
