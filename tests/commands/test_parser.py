import pytest

from lit_nst.commands.parser import CommandParser
from lit_nst.errors import InputError


@pytest.mark.parametrize("args", [[], ["--numbe", "3"], ["--number", "many"], ["--number", "3", "--other"]])
def test_bad_arguments_are_one_line_that_names_the_command(args):
    parser = CommandParser("count", "Counts.")
    parser.add_argument("--number", type=int, required=True)
    with pytest.raises(InputError, match=r"lit-nst count: .*see lit-nst count --help$") as raised:
        parser.parse_args(args)
    assert "\n" not in str(raised.value)
