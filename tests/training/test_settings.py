import pytest

from tinyprop.errors import InvalidSettings
from tinyprop.training.settings import Trainer


def test_every_wrong_value_is_named_at_once():
    with pytest.raises(InvalidSettings) as refused:
        Trainer(epochs=0, batch_size=0, validation_fraction=1.0, patience=0, threads=0)
    fields = [field for field, _ in refused.value.problems]
    assert fields == ["epochs", "batch_size", "validation_fraction", "patience", "threads"]


def test_what_watches_needs_data_to_watch():
    with pytest.raises(InvalidSettings) as refused:
        Trainer(validation_fraction=0.0, select="best", patience=3)
    assert [field for field, _ in refused.value.problems] == ["select", "patience"]
    assert "the test set is never used" in str(refused.value)
    assert Trainer(validation_fraction=0.1, select="best", patience=3).patience == 3
