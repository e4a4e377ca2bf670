import pytest

from tests.training.conftest import SETTINGS
from zoo.training.settings import Settings


@pytest.fixture
def settings() -> Settings:
    return SETTINGS
