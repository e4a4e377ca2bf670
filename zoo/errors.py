"""The project's own errors: the command line shows each as one line and an exit code."""


class ZooError(Exception):
    """Something that the user can mend; the message is one line that says what was asked and what to do."""

    exit_code = 1


class UsageError(ZooError):
    """What was asked for does not make sense: an unknown option, a value out of range."""

    exit_code = 2


class DataError(ZooError):
    """The text that was given cannot be used."""


class RunError(ZooError):
    """A run directory that is none, or whose files do not fit each other."""
