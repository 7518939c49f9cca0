"""Tests that the package shows its public names and no others."""

import keras_dropouts as kd


def test_dir_shows_the_public_names_only() -> None:
    shown = {name for name in dir(kd) if not name.startswith("__")}
    assert shown == set(kd.__all__)
    assert "__version__" in dir(kd)


def test_every_public_name_is_there() -> None:
    assert all(hasattr(kd, name) for name in kd.__all__)
    assert kd.__all__ == sorted(kd.__all__)
