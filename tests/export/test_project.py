"""What is in a project: the engine as it is, figures that add up, and nothing that was not produced."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.export.networks import NETWORKS, dataset_of, finished, network, project
from tinyprop.errors import RequestError
from tinyprop.export.measurement import measurement_of
from tinyprop.export.network import network_of
from tinyprop.export.project import project_of
from tinyprop.progress import SILENT

ROOT = Path(__file__).resolve().parents[2]


def tables(readme: str) -> dict[str, list[list[str]]]:
    """Rows of each Markdown table by its first heading."""
    found: dict[str, list[list[str]]] = {}
    for block in re.findall(r"(?:^\|.*\n)+", readme, re.MULTILINE):
        rows = [[cell.strip(" *") for cell in line.strip("|\n").split("|")] for line in block.splitlines()]
        found[rows[0][0].strip()] = rows[2:]
    return found


def numbers(row: list[str]) -> list[int]:
    return [int(cell.replace(",", "") or 0) for cell in row[1:]]


def readme_of(exported) -> str:
    return exported.files["README.md"].decode()


def prose_of(exported) -> str:
    return " ".join(readme_of(exported).split())


def test_the_engine_and_the_licence_are_the_packages_own():
    files = project("mlp").files
    engine = ROOT / "tinyprop" / "engine"
    sources = {path.relative_to(engine / "c").as_posix(): path.read_bytes() for path in (engine / "c").rglob("*.[ch]")}
    assert {name.removeprefix("engine/"): text for name, text in files.items() if name.startswith("engine/")} == sources
    assert files["board/startup.c"] == (engine / "firmware" / "startup.c").read_bytes()
    assert files["LICENSE"] == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_run_gives_the_same_bytes_with_nothing_left_open(name):
    exported = network(name)
    target = exported.run.config.target
    again = project_of(exported, target, measurement_of(exported, target, SILENT))
    assert again.files == project(name).files
    assert not [path for path, content in again.files.items() if re.search(rb"@[A-Z_]+@", content)]


def test_samples_are_real_ones_of_each_class_in_turn():
    exported, test = network("mlp", samples=12), dataset_of("classification").test
    assert exported.target.tolist() == [*range(10), 0, 1]
    second = np.flatnonzero(test.y == 1)[1]
    assert (exported.x[11] == test.x[second].ravel()).all()


def test_batch_size_and_learning_rate_are_the_runs_unless_another_is_asked_for():
    assert b"#define NETWORK_BATCH 3u" in project("cnn").files["network.h"]
    assert network("cnn", batch_size=2).description.batch_size == 2
    rate = re.search(r"LEARNING_RATE (\S+)f ", project("cnn").files["network.h"].decode())[1]
    assert np.float32(float.fromhex(rate)) == np.float32(0.01)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_figures_of_the_readme_add_up(name):
    pytest.importorskip("unicorn")
    exported = project(name)
    found = tables(readme_of(exported))
    for memory in ("RAM", "Flash"):
        *uses, total, available = [numbers(row)[0] for row in found[memory]]
        assert sum(uses) == total < available
    for quantity in ("instructions", "modelled cycles"):
        *rows, total = map(numbers, found[quantity])
        assert np.array(rows).sum(axis=0)[:-1] == pytest.approx(total[:-1], abs=len(rows))
        assert [sum(row[:-1]) for row in rows if any(row[:-1])] == pytest.approx(
            [row[-1] for row in rows if any(row[:-1])], abs=len(total)
        )
        assert sum(row[-1] for row in rows) == pytest.approx(total[-1], abs=len(rows))
    assert found["instructions"][-1][-1] == f"{sum(exported.measured.counts.instructions.values()):,.0f}"
    layers = [layer.name for layer in exported.network.description.layers]
    assert [row[0] for row in found["instructions"] if row[0] in layers] == layers


def test_a_target_that_is_too_small_is_told_by_how_much():
    exported = network("cnn")
    target = replace(exported.run.config.target, name="small", sram_bytes=8192, flash_bytes=65536)
    small = project_of(exported, target, measurement_of(exported, target, SILENT))
    ram, flash = small.budgets
    assert ram.missing == ram.used - 8192 > 0 == flash.missing
    assert f"It does not fit small: {ram.missing:,} bytes of RAM are missing." in prose_of(small)
    assert small.files.keys() == project("cnn").files.keys()


def test_a_part_of_unknown_addresses_is_said_to_have_assumed_ones():
    exported = network("mlp")
    target = replace(exported.run.config.target, name="unheard of")
    unknown = project_of(exported, target, project("mlp").measured)
    assert "not known to tinyprop" in prose_of(unknown)
    assert b"Assumed" in unknown.files["board/link.ld"]
    assert "not known to tinyprop" not in prose_of(project("mlp"))


def test_generated_data_are_called_synthetic():
    dataset = replace(dataset_of("classification"), synthetic=True)
    exported = network_of(finished("mlp"), dataset, batch_size=None, samples=2)
    files = project_of(exported, exported.run.config.target, project("mlp").measured).files
    assert all(b"2 SYNTHETIC test samples" in files[name] for name in ("samples.c", "samples.h", "README.md"))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("policy=random",), "policy=random"),
        (("optimizer.momentum=0.5", "optimizer.nesterov=true"), "optimizer.nesterov=true"),
        (("model=resnet8",), "model=resnet8 (its layers are no sequence)"),
        (("model=autoencoder",), "layer norm1 (batch norm) of model=autoencoder"),
    ],
)
def test_what_the_engine_cannot_run_is_refused_by_name(overrides, said):
    run = finished("mlp", "trainer.batch_size=2", *overrides)
    with pytest.raises(RequestError, match=re.escape(said)) as refused:
        network_of(run, dataset_of("classification"), batch_size=None, samples=1)
    assert f"{run.name} cannot be exported: the C engine cannot run" in str(refused.value)


def test_other_data_and_too_many_samples_are_refused():
    digits = dataset_of("classification")
    with pytest.raises(RequestError, match="was trained on other data"):
        network_of(finished("mlp"), replace(digits, fingerprint="0" * 64), batch_size=None, samples=1)
    with pytest.raises(RequestError, match=f"--samples 9999: digits has {len(digits.test)} test samples"):
        network_of(finished("mlp"), digits, batch_size=None, samples=9999)
