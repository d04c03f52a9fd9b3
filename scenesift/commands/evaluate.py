"""`scenesift evaluate`: compare dense, sparse and SGPD retrieval on images with captions."""

EXAMPLES = ""


def command() -> None: ...
