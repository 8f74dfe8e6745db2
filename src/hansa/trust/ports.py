"""What trust needs from outside."""

from __future__ import annotations

from collections.abc import Callable

OnChange = Callable[[], None]
"""Called, on the event loop, when somebody's standing may have changed. It must be quick."""
