"""Subsets, fingerprints, stratified splits, rotation, generated directories and the registry."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tinyprop import datasets
from tinyprop.datasets.fingerprint import fingerprint
from tinyprop.datasets.generated import MANIFEST, generate_once
from tinyprop.datasets.rotation import rotated
from tinyprop.datasets.stratify import stratified_split
from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, InvalidSettings, RequestError


def test_a_subset_counts_from_1_and_null_means_all() -> None:
    assert Subset().count("train", 10) == 10
    assert Subset(train=10, test=1).count("train", 10) == 10
    with pytest.raises(RequestError, match=r"dataset.subset.train=11, but the train split has 10"):
        Subset(train=11).count("train", 10)
    with pytest.raises(InvalidSettings) as caught:
        Subset(train=0, test=-1)
    assert [field for field, _ in caught.value.problems] == ["train", "test"]


BASE = np.arange(6, dtype=np.float32)


@pytest.mark.parametrize(
    "other",
    [
        (BASE.reshape(2, 3),),
        (BASE.astype(np.float64),),
        (BASE.view(np.int32),),
        (BASE[:5],),
        (BASE, "text"),
        (BASE[:3], BASE[3:]),
        (np.nextafter(BASE, 9),),
    ],
)
def test_a_fingerprint_depends_on_type_shape_content_and_parting(other: tuple[np.ndarray | str, ...]) -> None:
    assert fingerprint(*other) != fingerprint(BASE)


def test_a_fingerprint_does_not_depend_on_memory_layout_or_byte_order() -> None:
    square = np.arange(12, dtype=np.int32).reshape(3, 4)
    known = fingerprint(square)
    assert known == fingerprint(np.asfortranarray(square)) == fingerprint(square.astype(">i4"))
    assert known == fingerprint(np.repeat(square, 2, axis=1)[:, ::2])
    assert fingerprint(np.zeros((0, 3)), "") == fingerprint(np.zeros((0, 3)), "")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_stratified_split_parts_every_class_in_proportion(labels: list[int], fraction: float, seed: int) -> None:
    doubled = np.array(labels * 2)
    train, test = stratified_split(doubled, fraction, seed)
    assert sorted([*train, *test]) == list(range(len(doubled)))
    for label in set(labels):
        of_class = 2 * labels.count(label)
        tested = int((doubled[test] == label).sum())
        assert 1 <= tested <= of_class - 1
        assert abs(tested - of_class * fraction) <= 1


def test_rotation_is_counter_clockwise_and_zero_changes_nothing() -> None:
    images = np.random.default_rng(0).random((3, 1, 7, 7), dtype=np.float32)
    assert rotated(images, 0) is images
    np.testing.assert_allclose(rotated(images, 90), np.rot90(images, axes=(-2, -1)), atol=1e-6)
    assert rotated(images, 30).dtype == np.float32


def test_rotation_interpolates_bilinearly_about_the_centre() -> None:
    image = np.zeros((5, 5), dtype=np.float32)
    image[2, 3] = 1  # one pixel right of the centre; 45 degrees later between the centre and the upper right
    turned = rotated(image, 45)
    c = np.sqrt(0.5)
    # Output (row, column) = centre + (dy, dx) looks at input centre + R⁻¹(dy, dx); weights by hand.
    assert turned[1, 3] == pytest.approx(1 - (np.sqrt(2) - 1), abs=1e-6)
    assert turned[1, 2] == pytest.approx(c * (1 - c), abs=1e-6)
    assert turned[2, 3] == pytest.approx(c * (1 - c), abs=1e-6)
    assert turned[3, 1] == 0


def write_two(directory: Path) -> None:
    (directory / "deep").mkdir()
    (directory / "deep" / "a").write_text("a")
    (directory / "b").write_text("b")


def test_generated_files_are_made_once_and_again_for_another_recipe(tmp_path: Path) -> None:
    calls = []

    def write(directory: Path) -> None:
        calls.append(directory)
        write_two(directory)

    target = tmp_path / "new" / "set"
    for recipe in ("one", "one", "two"):
        assert generate_once(target, recipe, write) == target
    assert len(calls) == 2
    assert {path.name for path in target.iterdir()} == {"deep", "b", MANIFEST}
    assert [path.name for path in target.parent.iterdir() if path.name not in ("set", ".set.lock")] == []


def test_several_at_once_generate_once(tmp_path: Path) -> None:
    calls = []

    def write(directory: Path) -> None:
        calls.append(directory)
        write_two(directory)

    threads = [threading.Thread(target=generate_once, args=(tmp_path / "set", "one", write)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_a_generator_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def write(directory: Path) -> None:
        write_two(directory)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_once(tmp_path / "set", "one", write)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".set.lock"] == []


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("changed")])
def test_a_generated_file_that_was_changed_or_lost_is_named(spoil, tmp_path: Path) -> None:
    generate_once(tmp_path / "set", "one", write_two)
    spoil(tmp_path / "set" / "deep" / "a")
    with pytest.raises(DataError, match=r"set/deep/a: generated file .*delete"):
        generate_once(tmp_path / "set", "one", write_two)


def test_a_folder_that_was_not_generated_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_text("mine")
    with pytest.raises(DataError, match="was not generated by tinyprop"):
        generate_once(tmp_path / "set", "one", write_two)
    assert (tmp_path / "set" / "mine").read_text() == "mine"


def test_the_registry_loads_by_the_settings_name() -> None:
    assert datasets.load(datasets.DigitsSettings()).name == "digits"


def test_pydantic_picks_the_settings_by_name_and_names_every_wrong_value() -> None:
    adapter: TypeAdapter[datasets.DatasetSettings] = TypeAdapter(datasets.DatasetSettings)
    settings = adapter.validate_python({"name": "mnist", "subset": {"train": 6000, "test": 1000}, "source": "local"})
    assert settings == datasets.MnistSettings(source="local", subset=Subset(6000, 1000))
    with pytest.raises(ValidationError):
        adapter.validate_python({"name": "mnist", "source": "web"})


def test_importing_the_settings_loads_no_numerical_library() -> None:
    heavy = "{'numpy', 'torch', 'librosa', 'scipy', 'sklearn'}"
    code = f"import sys, tinyprop.datasets; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
