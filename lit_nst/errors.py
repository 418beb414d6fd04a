"""The one exception for bad input."""


class InputError(ValueError):
    """Bad input of the user: a file, an option, a combination of options.

    The message is one line that names the option or the file, says what was wrong and what to do.
    The command line prints it without a traceback and exits with status 2.
    """
