"""Whether two contents are the same, as conditions and clients tell them apart."""

import msgspec


def same_content(one: object, other: object) -> bool:
    """Of what JSON can write, in whatever records, with every type: to Python 1, 1.0 and True are
    equal, to a rule and in a payload they are three values. The order of keys does not matter."""
    return one == other and _written(one) == _written(other)


def _written(content: object) -> bytes:
    return msgspec.json.encode(content, order="deterministic")
