"""YAML that a reader can take: neither deep, nor large once its aliases are written out."""

import yaml

DEEPEST, MOST = 100, 100_000
# What is shorter can be neither.
SHORT = 200


class TooMuch(yaml.YAMLError):
    """YAML that would take the reader's stack or memory."""


def check(text: str) -> None:
    r"""Refuses what PyYAML's loader, or those who copy what it loads, would not survive.

    The events of a text are read one by one, nothing is built. A few hundred letters of aliases of aliases stand for
    billions of values, and a hundred thousand brackets end the process without an error.

    Args:
        text: YAML, of one document.

    Raises:
        TooMuch: Collections within more than ``DEEPEST`` others, more than ``MOST`` values with those of the aliases
            written out, or an alias within what it stands for.
        YAMLError: The text is no YAML.

    >>> check("a: &a [1, 2]\nb: [*a, *a]" + " " * SHORT)
    """
    if len(text) < SHORT:
        return
    sizes = dict[str, int]()
    # Anchor and number of values so far, of each collection that is open; the whole is the first.
    opened: list[tuple[str | None, int]] = [(None, 0)]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, 1))
            if len(opened) > DEEPEST:
                raise TooMuch(f"more than {DEEPEST} lists or groups within each other; write it flat")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = opened.pop()
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        elif isinstance(event, yaml.AliasEvent):
            if any(event.anchor == name for name, _ in opened):
                raise TooMuch(f"*{event.anchor} stands within what it stands for; write it out")
            # Of an unknown one, PyYAML tells.
            anchor, size = None, sizes.get(str(event.anchor), 1)
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        name, count = opened[-1]
        if count + size > MOST:
            raise TooMuch(f"more than {MOST} values, those that its aliases stand for included; write fewer")
        opened[-1] = name, count + size
