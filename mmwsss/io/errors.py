# Licensed under Apache-2.0.
"""The base of errors that are the user's to mend."""

from __future__ import annotations


class UserError(ValueError):
    """What a user gave can't be used; the message names it and the fix.

    The tools end with the message alone, without a traceback.
    """
