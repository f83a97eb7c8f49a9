"""``tinyprop presets``: the configuration tree, listed and shown."""

import json

import pytest

from tinyprop.config.composition import Composer
from tinyprop.config.location import config_directory


def test_every_group_and_option_is_listed_with_what_it_is(tinyprop):
    status, out, _ = tinyprop("presets")
    assert status == 0
    for group, options in Composer().groups.items():
        assert f"{group}=" in out
        for option in options:
            assert option.startswith("for_") or f"\n  {option} " in out
    assert "for_digits" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out


def test_one_group_is_listed_alone(tinyprop):
    status, out, _ = tinyprop("presets", "optimizer")
    assert status == 0
    assert out.split()[0] == "optimizer="
    assert "adamw" in out
    assert "lenet" not in out


@pytest.mark.parametrize("spelling", ["policy=adaptive", "policy/adaptive"])
def test_one_option_is_shown_with_what_each_setting_means(tinyprop, spelling):
    status, out, _ = tinyprop("presets", spelling)
    assert status == 0
    assert out == (config_directory() / "policy" / "adaptive.yaml").read_text()


def test_scripts_get_one_json_object(tinyprop):
    listed = json.loads(tinyprop("presets", "--json")[1])
    assert listed["model"]["lenet"].startswith("Two convolutions")
    shown = json.loads(tinyprop("presets", "policy=static", "--json")[1])
    assert shown["option"] == "static"
    assert "ratio" in shown["yaml"]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("polcy", "polcy: no such group; did you mean policy?"),
        ("policy=adaptiv", "adaptiv: no such option of policy; did you mean adaptive"),
        ("policy=xyz", "known: adaptive"),
    ],
)
def test_an_unknown_name_is_a_wrong_request_that_names_the_nearest(tinyprop, what, said):
    status, out, err = tinyprop("presets", what)
    assert (status, out) == (2, "")
    assert said in err
