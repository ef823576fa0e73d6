"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# On a machine that others use too, an example may take any time.
settings.register_profile("ganvas", deadline=None)
settings.load_profile("ganvas")

ROOT = Path(__file__).parents[1]
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real image sets beside the repository; tests that need it skip, and say so, where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real image sets of ../shared/data are not here")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that belongs to this session, so that no test sees what another run packed."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["GANVAS_CACHE"] = str(folder)
    return folder


@pytest.fixture
def float64():
    """New tensors and networks are in double precision inside: laws are checked where rounding hides nothing."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
