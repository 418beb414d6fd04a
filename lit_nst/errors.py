"""The one exception for bad input, and what its messages may hold."""


class InputError(ValueError):
    """Bad input of the user: a file, an option, a combination of options.

    The message is one line that names the option or the file, says what was wrong and what to do.
    The command line prints it without a traceback and exits with status 2.
    """


def quote(text: object, longest: int = 80) -> str:
    r"""Foreign text made fit for one line of a message.

    Args:
        text: Such as a name in a file, or another library's error.
        longest: Characters that are kept of it.

    >>> quote("a\nb\x1b[2J")
    'a b\\x1b[2J'
    """
    return " ".join(str(text)[:longest].split()).encode("unicode_escape").decode("ascii")
