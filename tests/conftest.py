"""Fixtures that every suite may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder with official vectors and open data, or skip with the reason."""
    folder = Path(os.environ.get("HANSA_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no official vectors and open data at {folder} (set HANSA_SHARED)")
    return folder
