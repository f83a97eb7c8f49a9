import re

from tests.report.test_tables import RESULT, assert_plain, printed
from tinyprop.report.summary import run_summary

MCU = {
    "simulator": "unicorn",
    "target": "STM32F407VG",
    "core": "cortex-m4",
    "counted": "up to 4 steps of each epoch, spread evenly",
    "counted_steps": 8,
    "counted_samples": 1600,
    "cycle_model": "a manual",
    "instructions.step": 123_456_789.0,
    "instructions.forward": 100_000_000.0,
    "instructions.select": 0.0,
    "instructions.weight_gradient": 23_456_789.0,
    "instructions.fc1.forward": 100_000_000.0,
    "cycles.step": 250_000_000.0,
    "cycles.forward": 250_000_000.0,
    "milliseconds.step": 1488.1,
    "ram.weights": 103_272,
    "ram.stack": 912,
    "ram.samples": 628_800,
    "ram.gradients": 0,
    "ram.total": 732_984,
    "ram.spare": -536_376,
    "ram.fits": False,
    "flash.code": 40_000,
    "flash.weights": 103_272,
    "flash.total": 143_272,
    "flash.spare": 905_304,
    "flash.fits": True,
}


def test_instructions_cycles_and_memory_are_on_80_columns():
    text = printed(run_summary({**RESULT, "mcu": MCU}))
    assert_plain(text)
    for line in (
        r"microcontroller +STM32F407VG \(cortex-m4\), simulated by Unicorn",
        r"instructions a step +123,456,789  \(200 samples; 8 steps counted\)",
        r"  forward +100,000,000   81\.0 %",
        r"modelled cycles a step +250,000,000  \(1\.49 s\)",
        r"RAM needed +715\.8 KB, DOES NOT FIT: 523\.8 KB too much",
        r"weights 100\.9 KB, stack 0\.9 KB, samples 614\.1 KB",
        r"flash needed +139\.9 KB, fits with 884\.1 KB to spare",
    ):
        assert re.search(line, text), line
    section = text[text.index("microcontroller") :]
    assert "select" not in section  # nothing was executed there
    assert "gradients" not in section.replace("input gradient", "")


def test_a_simulator_that_tells_no_cycles_gets_no_line_of_them():
    mcu = {key: value for key, value in MCU.items() if not key.startswith(("cycles", "milliseconds"))}
    text = printed(run_summary({**RESULT, "mcu": mcu}))
    assert "instructions a step" in text
    assert "cycles" not in text


def test_a_run_without_a_counted_step_shows_memory_only():
    mcu = {key: value for key, value in MCU.items() if not key.startswith(("cycles", "instructions", "milliseconds"))}
    text = printed(run_summary({**RESULT, "mcu": {**mcu, "counted_steps": 0, "counted_samples": 0}}))
    assert "RAM needed" in text
    assert "a step" not in text
