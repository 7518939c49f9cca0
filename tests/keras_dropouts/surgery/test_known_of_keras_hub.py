"""No model of keras_hub is taken for one with unknown noise."""

from __future__ import annotations

import pytest

from keras_dropouts.surgery.unknown_noise import unknown_noise

pytest.importorskip("keras_hub")
from tests import zoo_hub

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),  # keras_hub's own, of masks that it drops
]


@pytest.mark.parametrize("name", sorted(set(zoo_hub.ZOO) - zoo_hub.LACKING))
def test_no_false_alarms(name: str) -> None:
    assert unknown_noise(zoo_hub.ZOO[name]()) == []
