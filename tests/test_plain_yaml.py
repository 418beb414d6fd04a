"""What is too much for a reader of YAML."""

import pytest
import yaml

from lit_nst.plain_yaml import DEEPEST, MOST, TooMuch, check

PAD = " " * 300


def aliases(levels: int) -> str:
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    return "\n".join(lines + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)])


@pytest.mark.parametrize("text", ["[" * DEEPEST, "{a: " * DEEPEST, "- " * DEEPEST + "1"])
def test_deep(text):
    with pytest.raises(TooMuch, match="within each other"):
        check(text + PAD)


def test_not_that_deep():
    check("[" * (DEEPEST - 1) + "]" * (DEEPEST - 1) + PAD)


def test_many_values_by_aliases():
    check(aliases(4))
    with pytest.raises(TooMuch, match="values"):
        check(aliases(7))


def test_many_values_written_out():
    check("[" + "1," * (MOST - 2) + "]")
    with pytest.raises(TooMuch, match="values"):
        check("[" + "1," * MOST + "]")


def test_alias_within_itself():
    with pytest.raises(TooMuch, match="stands within"):
        check("a: &a [1, *a]" + PAD)


def test_broken():
    with pytest.raises(yaml.YAMLError):
        check("a: [1" + PAD)
