"""What can go wrong with what a user hands to simcheck.

    SimcheckError
    ├── UsageError          the command line, a config file or a robot card        exit 2
    │   └── CardError
    └── InputError          the data or a model file                               exit 4
        ├── FormatError     cannot be read: says what was found, where, and what was expected
        ├── RefusedError    could be read, but reading it is unsafe (pickle, link out of the dataset, bomb)
        └── ModelError      a robot or scene model that does not load or cannot carry a verdict

A defect of simcheck itself is never one of these: it surfaces as the CRASHED answer of a check.
"""

import difflib
from collections.abc import Sequence


def nearest(word: str, known: Sequence[str]) -> str:
    """The end of a sentence about a word nobody knows: the one that was meant, or all there are."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


class SimcheckError(Exception):
    """Any error whose text is meant for the person who ran the command."""


class UsageError(SimcheckError):
    """A wrong option, config key, or name."""


class CardError(UsageError):
    """A robot card with a missing, unknown or contradicting entry."""


class InputError(SimcheckError):
    """Input that cannot be used."""


class FormatError(InputError):
    """A file that is not what its name or metadata says."""


class RefusedError(InputError):
    """A file that simcheck will not read because reading it is unsafe."""


class ModelError(InputError):
    """A model file that does not compile, or is not fit for a verdict."""
