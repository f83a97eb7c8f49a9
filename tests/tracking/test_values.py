import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyprop.tracking.values import as_params, as_tag, as_text, flatten, safe_name


def test_nested_settings_are_flattened_with_dots_and_an_empty_mapping_stays():
    tree = {"policy": {"name": "static", "ratio": 0.1}, "seed": 0, "extra": {}}
    assert dict(flatten(tree)) == {"policy.name": "static", "policy.ratio": 0.1, "seed": 0, "extra": {}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0, "0"),
        (1e-3, "0.001"),
        ((32, 16), "[32,16]"),
        ("digits", "digits"),
        (float("inf"), "inf"),
        ({}, "{}"),
    ],
)
def test_values_read_as_overrides(value, text):
    assert as_text(value) == text


def test_a_long_parameter_is_named_as_cut_and_kept_whole_beside():
    params, long = as_params({"a": {"b": "x" * 6001}, "c": "y" * 6000})
    assert long == {"a.b": "x" * 6001}
    assert "6001 characters" in params["a.b"]
    assert params["c"] == "y" * 6000


def test_a_long_tag_says_that_it_was_cut():
    assert len(as_tag("x" * 9000)) <= 8000
    assert as_tag("x" * 9000).endswith("[cut from 9000 characters]")


def test_ordinary_names_stay_and_refused_characters_are_replaced():
    assert safe_name("ratio.layers.0") == "ratio.layers.0"
    assert safe_name("ratio.conv[0]").startswith("ratio.conv_0_-")
    assert safe_name("a=b@c") != safe_name("a@b=c")


@given(st.text(min_size=1, max_size=300))
def test_mlflow_accepts_every_name(name):
    from mlflow.utils.validation import _validate_metric_name

    _validate_metric_name(safe_name(name))
    assert len(safe_name(name)) <= 250
