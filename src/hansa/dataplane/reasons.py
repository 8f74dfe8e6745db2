"""Why a push failed: one line for us, and one for the side that it goes to. No I/O."""

from __future__ import annotations

import os

from hansa.kernel import Code, HansaError


def reason_of(error: Exception) -> str:
    """Write an error as one line without bodies or secrets."""
    if isinstance(error, HansaError):
        return f"{error.code.value}: {error.title}"
    if isinstance(error, TimeoutError):
        return "outbound_timeout: The other side did not answer in time."
    return f"{Code.outbound_failed.value}: {type(error).__name__}"


def told_of(error: Exception) -> str:
    """Write an error of the other side's own address for that side: what it can mend."""
    if not isinstance(error, HansaError):
        late = isinstance(error, TimeoutError)
        return "It did not answer in time." if late else "The connection to it failed."
    if error.code is Code.outbound_blocked:  # the detail is about our settings
        return error.title
    return f"{error.title} {error.detail}".strip()


def unreached(what: str, error: OSError) -> HansaError:
    """Say that there was no connection to something, and what the system says of it."""
    if isinstance(error, TimeoutError):
        return HansaError(Code.outbound_timeout, f"{what} did not answer in time.")
    why = os.strerror(error.errno) if error.errno else type(error).__name__
    return HansaError(Code.outbound_failed, f"{what} could not be reached.", f"{why}.")
