"""``tinyprop cost``: what it compares, what it asks back, what it refuses."""

import json
import math
import re

import numpy as np
import pytest

from tinyprop.cli import cost, cost_model
from tinyprop.cost import Coefficients, calibrate, coefficients_of, validation

TWO_LAYERS = ("model=mlp", "model.hidden=[8]", "optimizer=sgd", "trainer.batch_size=1")
STATIC = (*TWO_LAYERS, "policy=static")


@pytest.fixture
def said(tinyprop):
    """A function from arguments to the rows of the printed JSON object."""

    def run(*arguments: str) -> list[dict]:
        status, out, err = tinyprop("cost", "--json", *arguments)
        assert (status, err) == (0, "")
        return json.loads(out)["rows"]

    return run


def test_a_network_of_two_layers_agrees_with_pencil_and_paper(said):
    (row,) = said(*STATIC, "policy.ratio=0.25", "policy.sparsify_output=false", "target=stm32f407")
    assert row["kept"] == {"fc1": 2 / 8, "fc2": 1}
    macs = {"forward": 64 * 8 + 8 * 10, "by weights": 64 * 8 + 8 * 10, "by inputs": 8 * 10}
    assert row["bound.macs"] == pytest.approx(sum(macs.values()) / macs["forward"])
    assert row["ram.weights"] == row["flash.weights"] == 4 * (64 * 8 + 8 + 8 * 10 + 10)
    assert row["ram.samples"] == 4 * (64 + 1)
    assert row["milliseconds.step"] == pytest.approx(row["cycles.step"] / 168e3)
    phases = ("forward", "select", "input_gradient", "weight_gradient", "update", "other")
    for quantity in ("instructions", "cycles"):
        assert row[f"{quantity}.step"] == pytest.approx(sum(row[f"{quantity}.{phase}"] for phase in phases))
    assert row["speed_up.dense.step"] == pytest.approx(row["dense.cycles.step"] / row["cycles.step"])
    assert row["speed_up.dense.step"] < row["bound.step"]


def test_energy_is_power_over_time_where_the_datasheet_says_it(said, workplace):
    target = workplace / "more" / "target" / "known.yaml"
    target.parent.mkdir(parents=True)
    target.write_text(
        "name: known\ncore: cortex-m4\nfpu: true\nclock_mhz: 100\nsram_bytes: 65536\nflash_bytes: 1048576\n"
        "source: s\nrun_current_ma: 20\nsupply_volts: 3\nsources: {run_current_ma: a, supply_volts: b}\n"
    )
    (row,) = said(*STATIC, "target=known", "--config-dir", "more")
    assert row["microjoules.step"] == pytest.approx(row["cycles.step"] / 100e6 * 20e-3 * 3 * 1e6)


def test_more_kept_costs_more_and_a_faster_clock_less(said):
    ratios = ("0.1", "0.3", "0.6")
    rows = said("model=lenet", "dataset=mnist", "policy=static", f"policy.ratio={','.join(ratios)}", "target=stm32f407")
    assert [row["overrides"] for row in rows] == [[f"policy.ratio={ratio}"] for ratio in ratios]
    for key in ("cycles.step", "instructions.step", "milliseconds.step"):
        values = [row[key] for row in rows]
        assert values == sorted(set(values)), key
    slow, fast = said("-m", *STATIC, "target=stm32f407", "target.clock_mhz=84,168")
    assert slow["cycles.step"] == fast["cycles.step"]
    assert slow["milliseconds.step"] == pytest.approx(2 * fast["milliseconds.step"])


def test_the_table_has_the_numbers_of_the_json_on_80_columns(tinyprop, said):
    arguments = (*TWO_LAYERS, "policy=dense,static", "target=stm32f407,cortex_m0plus")
    rows = said(*arguments)
    assert [(row["policy"], row["core"]) for row in rows] == [
        (policy, core) for core in ("cortex-m4", "cortex-m0plus") for policy in ("dense", "static")
    ]
    status, out, err = tinyprop("cost", *arguments)
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert out.startswith("Modelled cost of a training step; nothing was run.\n")
    sections = re.split(r"^(?=STM32)", out, flags=re.MULTILINE)[1:]
    for row in rows:
        section = next(text for text in sections if text.startswith(row["target"]))
        line = next(line for line in section.splitlines() if line.startswith(f"{row['case']} policy={row['policy']} "))
        cells = line[22:].replace(" k", "e3").replace(" M", "e6").replace(",", "").split()
        numbers = [row["instructions.step"], row["cycles.step"], row["milliseconds.step"]]
        assert list(map(float, cells[:3])) == pytest.approx(numbers, rel=0.006)
        assert list(map(float, cells[4:6])) == pytest.approx(
            [row["ram.total"] / 1024, row["flash.total"] / 1024], abs=0.051
        )
        assert cells[6] == "yes"
        gains = section[section.index(f"{row['case']} policy={row['policy']}", section.index("times as fast as")) :]
        shown = re.search(r"dense +([\d.]+)× +([\d.]+)× +([\d.]+)×", gains)
        expected = [row[f"speed_up.dense.{scope}"] for scope in ("backward", "step_without_update", "step")]
        assert list(map(float, shown.groups())) == pytest.approx(expected, abs=0.06)


def test_without_a_target_it_is_the_default_one_and_those_of_the_configuration(said):
    assert [row["target"] for row in said(*STATIC)] == ["STM32F407VG", "STM32F746NG", "STM32L072CZ"]
    rows = said(*STATIC, "cost.targets=[rp2040]")
    assert [row["target"] for row in rows] == ["STM32F407VG", "RP2040 (Raspberry Pi Pico)"]


def test_an_adaptive_policy_shows_its_limits_unless_it_is_told_what_it_keeps(tinyprop, said):
    arguments = (*TWO_LAYERS, "policy=adaptive", "policy.s_min=0.25", "policy.sparsify_output=false")
    least, most = said(*arguments, "target=stm32f407")
    assert (least["kept_from"], least["kept"]) == ("least", {"fc1": 0.25, "fc2": 1})
    assert (most["kept_from"], most["kept"]) == ("most", {"fc1": 1, "fc2": 1})
    out = tinyprop("cost", *arguments, "target=stm32f407")[1]
    assert "1 adaptive, keeping least" in out
    assert "depends on the data" in out
    (told,) = said(*arguments, "target=stm32f407", "--kept", "0.5")
    assert (told["kept_from"], told["kept"]) == ("--kept", {"fc1": 0.5, "fc2": 1})
    assert least["cycles.step"] < told["cycles.step"] < most["cycles.step"]
    (by_layer,) = said(*arguments, "target=stm32f407", "--kept", "fc1=0.5")
    assert by_layer["cycles.step"] == told["cycles.step"]


def test_a_run_gives_its_configuration_and_what_it_kept(said, tinyprop, train):
    status, trained, _ = train("policy=adaptive", "optimizer=sgd", "optimizer.lr=0.05", "cost.targets=[rp2040]")
    assert status == 0
    rows = said("--run", trained["name"], "target=stm32f407,rp2040")
    assert [row["kept"]["fc1"] for row in rows] == [trained["kept_fraction"]["fc1"]] * 2
    for row, expected in zip(rows, trained["cost"].values(), strict=True):
        assert {key: row[key] for key in expected} == expected
    other, own = said("--run", trained["name"], "policy=static,adaptive", "policy.sparse_bias=true", "target=rp2040")
    assert (other["kept_from"], own["kept_from"]) == ("policy", f"run {trained['name']}")
    status, _, err = tinyprop("cost", "--run", trained["name"], "model.hidden=[8]")
    assert (status, err.count("\n")) == (2, 1)
    assert "what was kept in one says nothing of the other" in err


def test_the_largest_ratio_in_a_budget_is_within_it_and_a_larger_one_is_not(said, tinyprop):
    network = ("dataset=mnist", "model=lenet", "policy=static", "optimizer=sgd", "trainer.batch_size=1")
    target = "target=stm32f407"
    lowest, highest = said(*network, "policy.ratio=0.02,1", target)
    budget = (lowest["milliseconds.step"] + highest["milliseconds.step"]) / 2
    (answer,) = said(*network, target, "--what-if", f"milliseconds={budget}")
    assert answer["bounded_by"] == "milliseconds"
    within, over = said(*network, f"policy.ratio={answer['ratio']},{1.05 * answer['ratio']}", target)
    assert within["milliseconds.step"] <= budget < over["milliseconds.step"]
    assert answer["speed_up.dense.step"] == within["speed_up.dense.step"] < answer["bound.step"]
    assert said(*network, target, "--what-if", "milliseconds=1e9")[0]["ratio"] == 1
    (none,) = said(*network, target, "--what-if", "ram=1KB,milliseconds=1e9")
    assert (none["ratio"], none["bounded_by"]) == (None, "ram_bytes")
    out = tinyprop("cost", *network, target, "--what-if", f"milliseconds={budget}")[1]
    assert re.search(rf"^1 +{math.floor(1e4 * answer['ratio']) / 1e4:.4f} \(time\) ", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 80


def test_the_ratio_shown_for_a_budget_keeps_it(said, tinyprop):
    """Of 32 entries 5.5 are 0.171875: a ratio shown as 0.1719 would keep one more."""
    asked = ("policy=static", "target=stm32f407", "--what-if", "milliseconds=4.5")
    shown = next(word for word in tinyprop("cost", *asked)[1].split() if word.startswith("0.1"))
    (row,) = said("policy=static", f"policy.ratio={shown}", "target=stm32f407")
    assert row["milliseconds.step"] <= 4.5


def test_what_a_run_measured_is_no_measurement_of_another_network_or_policy(said, train):
    _, trained, _ = train("policy=adaptive")
    hidden = "model.hidden=[9]" if len(trained["kept_fraction"]) == 2 else "model.hidden=[9,9]"
    own, other, larger = (
        said("--run", trained["name"], "target=stm32f407", *changed)[0]
        for changed in ((), ("policy.s_max=0.9",), (hidden,))
    )
    assert own["kept"] == other["kept"] == larger["kept"]
    assert own["errors"] != other["errors"] == larger["errors"]


def test_samples_are_what_is_said_or_what_the_files_hold(said, workplace):
    (row,) = said("model=cnn_small", "policy=static", "target=stm32f746", "--input", "3x16x8", "--outputs", "4")
    assert row["ram.samples"] == 4 * row["batch_size"] * (3 * 16 * 8 + 1)
    assert row["kept"]["conv1"] == pytest.approx(0.1, abs=1e-3)
    labels = np.arange(40) % 4
    np.savez(workplace / "samples.npz", x=np.zeros((40, 7), np.float32), y=labels)
    (row,) = said("dataset=arrays", "dataset.path=samples.npz", *STATIC, "target=stm32f407")
    assert row["ram.weights"] == 4 * (7 * 8 + 8 + 8 * 4 + 4)


def test_what_does_not_fit_is_said_by_how_much(tinyprop, said):
    arguments = ("model=mlp", "model.hidden=[256]", "policy=static", "target=cortex_m0plus")
    (row,) = said(*arguments)
    assert row["ram.fits"] is False
    status, out, _ = tinyprop("cost", *arguments)
    assert status == 0
    assert f"1 does not fit: {-row['ram.spare']} bytes of SRAM more than the 20480 of STM32L072CZ" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("model=resnet8", "dataset=cifar10"), "no cost is known for model=resnet8"),
        (("model=autoencoder", "dataset=dcase_ae"), "no cost is known for layer norm1 (batch norm)"),
        (("policy=random",), "no cost is known for policy=random"),
        (("policy=static", "policy.ratio=1.5"), "policy.ratio: 1.5 is outside [0, 1]"),
        (("policy=adaptive", "--kept", "1.5"), "--kept 1.5: is outside [0, 1]"),
        (("policy=adaptive", "--kept", "fc1=2,fc2=0,fc3=0"), "--kept fc1=2.0: is outside [0, 1]"),
        (("policy=adaptive", "--kept", "fc9=0.1"), "--kept: fc9: no layer with weights; the network's are fc1, fc2"),
        (("policy=adaptive", "--kept", "much"), "--kept much: is neither a fraction"),
        (("policy=static", "--kept", "0.1"), "--kept: policy=static says itself what is kept"),
        (("policy=adaptive", "--kept", "0.1", "--what-if", "ram=9KB"), "--what-if asks what may be kept, and"),
        (("--kept", "0.1", "--run", "x"), "--kept and --run both say what is kept"),
        (("--run", "x"), "x: no such run directory"),
        (("target=stm32f704",), "target=stm32f704: no such option; did you mean stm32f746"),
        (("cost.targets=[rp2024]",), "cost.targets: rp2024: no such target; did you mean rp2040?"),
        (("--config-dir", "more", "target=poor"), "target.clock_mhz: a value is required"),
        (("--config-dir", "more", "cost.targets=[poor]"), "cost.targets: target poor: clock_mhz: a value is required"),
        (("policy=static", "--what-if", "seconds=1"), "--what-if seconds=1: is no budget; give milliseconds=2"),
        (("policy=static", "--what-if", "ram=0"), "--what-if ram=0: is no finite number above 0"),
        (("policy=static", "--what-if", "ram=1KB,ram=2KB"), "--what-if ram=2KB: this budget is given twice"),
        (("policy=adaptive", "--kept", "fc1=0.1,fc1=0.2"), "--kept fc1=0.1,fc1=0.2: a layer is given twice"),
        (
            ("policy=static", "target=stm32f407", "target.fpu=false"),
            "STM32F407VG: no cost is known for a cortex-m4 without a floating-point unit, only for one with it",
        ),
        (("policy=dense", "--what-if", "ram=9KB"), "policy=dense: has no ratio"),
        (("--input", "28x28", "--outputs", "10"), "--input 28x28: is neither channels x height x width"),
        (("--input", "784"), "--input and --outputs go together"),
        (("validate", "cortex-m9"), "cortex-m9: no such core; did you mean cortex-m"),
    ],
)
def test_a_wrong_request_is_one_error(tinyprop, workplace, arguments, expected):
    target = workplace / "more" / "target" / "poor.yaml"
    target.parent.mkdir(parents=True)
    target.write_text("name: poor\ncore: cortex-m4\nfpu: true\nsram_bytes: 1\nflash_bytes: 1\nsource: s\n")
    status, out, err = tinyprop("cost", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {expected}")
    assert err.count("\n") == 1


def test_an_energy_that_no_datasheet_gives_is_no_budget(tinyprop, workplace):
    target = workplace / "more" / "target" / "silent.yaml"
    target.parent.mkdir(parents=True)
    target.write_text(
        "name: silent\ncore: cortex-m4\nfpu: true\nclock_mhz: 8\nsram_bytes: 1\nflash_bytes: 1\nsource: s\n"
    )
    arguments = ("--config-dir", "more", "target=silent", *STATIC)
    status, out, err = tinyprop("cost", *arguments, "--what-if", "millijoules=1")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "the energy is not known for silent: target.run_current_ma and target.supply_volts missing" in err
    assert "No energy for silent" in tinyprop("cost", *arguments)[1]


def test_data_that_is_not_there_can_be_described_instead(tinyprop):
    status, _, err = tinyprop("cost", "dataset=arrays", "dataset.path=no.npz")
    assert status == 1
    assert "no.npz: no such file" in err
    assert "--input 1x28x28 --outputs 10" in err


def test_calibration_stores_each_core_as_soon_as_it_is_done(tinyprop, monkeypatch):
    stored = []

    def fit_core(core, *, advance):
        advance(core.name, 1, 2)
        if stored:
            raise KeyboardInterrupt
        errors = {"cycles": {"step": {"count": 3, "median": 0.01, "nine_in_ten": 0.02, "worst": 0.03}}}
        return Coefficients(core.name, 1, 1, 1, 1, "", {}, {}, errors, errors)

    monkeypatch.setattr(calibrate, "calibrate", fit_core)
    monkeypatch.setattr(Coefficients, "save", lambda self: stored.append(self.core))
    status, out, err = tinyprop("cost", "calibrate", "cortex-m4", "cortex-m7")
    assert (status, stored) == (130, ["cortex-m4"])
    assert out == "cortex-m4: cycles off by 1.0 % (median), 3.0 % (worst)\n"
    assert err.endswith("error: interrupted\n")


def test_validation_shows_simulated_steps_and_how_far_predictions_are_off(tinyprop, monkeypatch):
    simulated, predicted = {"instructions": 2e6, "cycles": 4e6}, {"instructions": 2.02e6, "cycles": 3.9e6}
    row = validation.Row("784-32-16-10", "static 0.1", "cortex-m4", simulated, predicted)
    monkeypatch.setattr(validation, "rows", lambda cores: iter([row]))
    status, out, _ = tinyprop("cost", "validate", "cortex-m4")
    assert status == 0
    assert re.search(r"784-32-16-10 +static 0\.1 +cortex-m4 +2\.00 M +\+1\.0 % +4\.00 M +-2\.5 %", out)
    worst = coefficients_of("cortex-m4").errors["instructions"]["step"]["worst"]
    assert f"{100 * worst:.1f} %" in out
    assert max(map(len, out.splitlines())) <= 80
    markdown = tinyprop("cost", "validate", "cortex-m4", "--markdown")[1]
    assert "| 784-32-16-10 | static 0.1 | cortex-m4 | 2.00 M | +1.0 % | 4.00 M | -2.5 % |" in markdown
    printed = json.loads(tinyprop("cost", "validate", "cortex-m4", "--json")[1])
    assert printed["rows"][0]["predicted"] == predicted


@pytest.mark.parametrize("verb", ["calibrate", "validate"])
def test_help_of_the_actions_fits_80_columns(tinyprop, verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = tinyprop("cost", verb, "--help")
    assert status == 0
    assert "examples:" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_missing_simulator_is_named(tinyprop, monkeypatch):
    monkeypatch.setattr(cost_model, "find_spec", lambda name: None)
    status, _, err = tinyprop("cost", "validate")
    assert status == 2
    assert "pip install 'tinyprop[unicorn]'" in err


def test_options_actions_and_runs_complete(workplace):
    (workplace / "runs" / "mine").mkdir(parents=True)
    (workplace / "runs" / "mine" / "result.json").touch()
    assert cost.candidates(["--wh"]) == ["--what-if"]
    assert cost.candidates(["cal"]) == ["calibrate"]
    assert cost.candidates(["--run", "mi"]) == ["mine"]
    assert cost.candidates(["policy=st"]) == []
