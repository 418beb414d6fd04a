"""A folder to work in, and what a run of one unit finds in it."""

import pytest

from tests.queue.forked import Forked
from tests.queue.test_run import CALM, found, furnish, targets

FIT = ["fit", "--config", "tiny.yaml", *CALM]
RUN = "logs/tiny/version_0"


@pytest.fixture
def work(tiny_generator, tmp_path):
    """Five targets, a generator and a config."""
    return targets(furnish(tmp_path, tiny_generator))


@pytest.fixture(scope="session")
def expected(tiny_generator, tmp_path_factory):
    """What one process finds with one unit."""
    folder = targets(furnish(tmp_path_factory.mktemp("expected"), tiny_generator))
    assert Forked(FIT, folder).wait() == 0
    return found(folder / RUN)
