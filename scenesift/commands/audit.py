"""x"""

EXAMPLES = ""


def command() -> None: ...
