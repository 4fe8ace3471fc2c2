"""What a sentence says in numbers: tests pin these, and leave its words free."""

import re


def numbers(text: object) -> list[str]:
    """The numbers of a text in order, with their signs; not those within a name, as in CNN2C."""
    return re.findall(r"(?:(?<![\w.])[+-])?(?<!\w)\d+(?:[.,]\d+)*(?:e-?\d+)?", str(text))
