from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.datasets.http_server import FileServer, serving
from tinyprop.datasets.mnist import MnistSettings, load


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def synthetic_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with synthetic MNIST in it, generated once for all tests; leave it as it is."""
    root = tmp_path_factory.mktemp("synthetic")
    load(MnistSettings(root=str(root), source="synthetic"))
    return root
