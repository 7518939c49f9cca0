"""Tests that the table of formats says of each format what its class says."""

import pytest

from keras_dropouts_export import formats


@pytest.mark.parametrize("row", formats.TABLE, ids=lambda row: row.name)
def test_a_row_and_its_class_agree(row):
    made = row.make()
    assert (made.name, made.suffixes, made.title) == (row.name, row.suffixes, row.title)
    assert set(made.__dataclass_fields__) <= set(row.options)


def test_no_two_formats_share_a_name_or_a_suffix():
    names = [row.name for row in formats.TABLE]
    suffixes = [suffix for row in formats.TABLE for suffix in row.suffixes]
    assert len(names) == len(set(names))
    assert len(suffixes) == len(set(suffixes))
    assert [row for row in formats.TABLE if not row.suffixes] == [formats.named("saved_model")]
