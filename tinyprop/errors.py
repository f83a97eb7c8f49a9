"""Every error that is the user's to mend: one message that names the value, what is accepted and what to do."""

from __future__ import annotations


class TinypropError(Exception):
    """Root of the errors that are shown without a traceback. ``exit_status`` is what the process ends with."""

    exit_status = 1


class RequestError(TinypropError):
    """The request itself is wrong: an unknown name, a value out of range, options that exclude each other."""

    exit_status = 2


class DataError(TinypropError):
    """Data that is missing, damaged or not what was announced. The message names the file."""


class DivergenceError(TinypropError):
    """Training produced a loss that is not finite. The message names epoch and step and gives a hint."""


class InvalidSettings(ValueError):  # noqa: N818  # what it is, rather than that it is raised
    """Values that a settings class refuses, all of them at once.

    ``problems`` holds one ``(field, message)`` pair for each refused field; the message carries the value.
    """

    def __init__(self, problems: list[tuple[str, str]]):
        self.problems = problems
        super().__init__("; ".join(f"{field}: {message}" for field, message in problems))


def require(*conditions: tuple[bool, str, str]) -> None:
    """Raise `InvalidSettings` with every ``(holds, field, message)`` whose condition does not hold."""
    problems = [(field, message) for holds, field, message in conditions if not holds]
    if problems:
        raise InvalidSettings(problems)
