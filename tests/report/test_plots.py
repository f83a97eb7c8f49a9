import subprocess
import sys

import numpy as np
import pytest

from tinyprop.report.plots import ratio_per_layer, save, training_curves


def rows(layers=("fc1", "fc2"), epochs=3):
    return [
        {
            "epoch": str(epoch),  # as csv.DictReader gives them
            "train_loss": str(1 / epoch),
            "validation_loss": "" if epoch == 2 else str(2 / epoch),
            "train_accuracy": "0.5",
            "lr": "0.1",
            **{f"ratio.{layer}": "0.25" for layer in layers},
            **{f"kept_fraction.{layer}": "0.5" for layer in layers},
        }
        for epoch in range(1, epochs + 1)
    ]


def test_curves_hold_the_recorded_values_and_a_gap_where_there_is_none():
    loss, accuracy = training_curves(rows(), "digits").axes
    assert [line.get_label() for line in loss.lines] == ["train", "validation"]
    assert [line.get_label() for line in accuracy.lines] == ["train"]
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [1, 1 / 2, 1 / 3])
    np.testing.assert_array_equal(np.isnan(loss.lines[1].get_ydata()), [False, True, False])
    np.testing.assert_array_equal(loss.lines[0].get_xdata(), [1, 2, 3])
    assert (loss.get_xlabel(), loss.get_ylabel(), accuracy.get_ylabel()) == ("epoch", "loss", "accuracy")


def test_a_run_without_accuracy_has_one_panel_and_one_without_rows_says_so():
    (loss,) = training_curves([{"epoch": 1, "train_loss": 0.5}]).axes
    assert loss.get_ylabel() == "loss"
    (empty,) = training_curves([]).axes
    assert [text.get_text() for text in empty.texts] == ["not recorded"]


def test_every_layer_has_a_line_of_its_own_in_black_and_white():
    layers = [f"conv{i}" for i in range(10)]
    figure = ratio_per_layer(rows(layers), "resnet8")
    assert [axis.get_ylabel() for axis in figure.axes] == ["ratio", "kept fraction"]
    for axis, value in zip(figure.axes, (0.25, 0.5), strict=True):
        assert [line.get_label() for line in axis.lines] == layers
        assert len({(line.get_linestyle(), line.get_marker()) for line in axis.lines}) == len(layers)
        np.testing.assert_allclose(axis.lines[3].get_ydata(), value)


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_a_saved_figure_is_whole_and_equal_each_time(tmp_path, suffix, start):
    paths = [tmp_path / "plots" / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        save(training_curves(rows(), "digits"), path)
    assert paths[0].read_bytes().startswith(start)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(path.name for path in paths[0].parent.iterdir()) == [f"a{suffix}", f"b{suffix}"]


def test_an_unknown_format_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="xyz"):
        save(training_curves(rows()), tmp_path / "figure.xyz")
    assert list(tmp_path.iterdir()) == []


def test_pyplot_is_not_imported():
    code = "import sys, tinyprop.report.plots; print('matplotlib.pyplot' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
