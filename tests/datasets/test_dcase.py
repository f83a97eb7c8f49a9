from collections import Counter

import numpy as np
import pytest

from tests.datasets.dcase_layout import write_clips
from tests.features.sounds import write
from tinyprop.datasets.dcase import DcaseSettings, load
from tinyprop.datasets.dcase_clips import Clip, find_clips
from tinyprop.datasets.dcase_split import authors_split, ids_split
from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, InvalidSettings, RequestError
from tinyprop.features.audio import read_clip


@pytest.fixture
def root(tmp_path):
    write_clips(tmp_path, {"id_00": (9, 3, 8), "id_02": (9, 3, 4)})
    return tmp_path


def loaded(root, **settings):
    return load(DcaseSettings(root=str(root), source="local", **settings))


def clips_of(counts):
    """Clips (normal, anomalous) of each machine id, without files behind them."""
    clips = []
    for machine_id, (normal, anomalous) in counts.items():
        clips += [Clip(_path("train", "normal", machine_id, i), "train", machine_id, False) for i in range(normal)]
        clips += [Clip(_path("test", "anomaly", machine_id, i), "test", machine_id, True) for i in range(anomalous)]
    return clips


def _path(split, condition, machine_id, index):
    from pathlib import Path

    return Path(f"slider/{split}/{condition}_{machine_id}_{index:08d}.wav")


# as many anomalies as the authors had (890), unevenly among the machines
LIKE_SLIDER = {"id_00": (1068, 356), "id_02": (1068, 267), "id_04": (534, 178), "id_06": (534, 89)}


def test_samples_are_the_authors_features_and_label_1_is_normal(root):
    dataset = loaded(root)
    assert (dataset.name, dataset.task, dataset.classes) == ("dcase", "binary", ("anomaly", "normal"))
    assert dataset.classes[dataset.positive] == "anomaly"
    assert dataset.input_shape == (2 * 33,)
    assert dataset.train.x.dtype == np.float32
    assert dataset.train.y.dtype == np.int64
    assert not dataset.synthetic
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
    expected = {}
    for clip in find_clips(root / "dcase2020_task2/dev_data/slider"):
        audio = read_clip(clip.path).astype(np.float64)
        frames = np.stack([audio[0:64], audio[2048:2112]])
        expected[clip] = np.abs(np.fft.rfft(frames * window)).reshape(-1)
    for split in (dataset.train, dataset.test):
        for x, y in zip(split.x, split.y, strict=True):
            clip = min(expected, key=lambda clip: np.abs(expected[clip] - x).max())
            np.testing.assert_allclose(x, expected[clip], atol=1e-6)
            assert y == (not clip.anomalous)


def test_the_full_slider_set_is_split_as_the_authors_did_1600_to_180_balanced():
    split = authors_split(clips_of(LIKE_SLIDER), DcaseSettings().test_fraction, balance=True)
    assert Counter(clip.anomalous for clip in split.train) == {False: 800, True: 800}
    assert Counter(clip.anomalous for clip in split.test) == {False: 90, True: 90}
    assert not set(split.train) & set(split.test)


def test_every_machine_id_has_its_share_of_the_test_clips():
    split = authors_split(clips_of(LIKE_SLIDER), 0.1011, balance=True)
    anomalous = Counter(clip.machine_id for clip in split.test if clip.anomalous)
    for machine_id, (_, count) in LIKE_SLIDER.items():
        assert abs(anomalous[machine_id] - 90 * count / 890) <= 1
    assert split.train != sorted(split.train, key=lambda clip: clip.anomalous)  # labels are mixed, so that subsets are


def test_what_machine_ids_give_away_is_noted():
    split = authors_split(clips_of({"id_00": (50, 0), "id_02": (0, 50)}), 0.2, balance=True)
    assert "a guess from the machine id alone gets 20 of the 20 test clips right" in split.notes[0]


def test_the_split_does_not_depend_on_the_order_of_the_files():
    clips = clips_of(LIKE_SLIDER)
    first, second = (authors_split(order, 0.1, balance=True) for order in (clips, clips[::-1]))
    assert (first.train, first.test) == (second.train, second.test)


def test_balance_leaves_out_clips_and_says_so(root):
    assert "12 normal clip(s) were left out" in loaded(root).notes[1]
    dataset = loaded(root, balance=False)
    assert len(dataset.train) + len(dataset.test) == 36
    assert not any("left out" in note for note in dataset.notes)


def test_ids_split_keeps_machines_apart_and_each_balanced():
    split = ids_split(clips_of(LIKE_SLIDER), None, balance=True)
    assert {clip.machine_id for clip in split.test} == {"id_06"}
    assert {clip.machine_id for clip in split.train} == {"id_00", "id_02", "id_04"}
    labels = Counter((clip.machine_id, clip.anomalous) for clip in split.train + split.test)
    assert labels == {(name, label): n for name, (_, n) in LIKE_SLIDER.items() for label in (False, True)}
    held_out = ids_split(clips_of(LIKE_SLIDER), ("id_00", "id_04"), balance=True)
    assert {clip.machine_id for clip in held_out.test} == {"id_00", "id_04"}


def test_ids_split_of_a_single_machine_is_one_clear_error(tmp_path):
    write_clips(tmp_path, {"id_00": (4, 2, 2)})
    with pytest.raises(DataError, match=r"needs clips of two machine ids or more, there are only those of id_00"):
        loaded(tmp_path, split="ids")


@pytest.mark.parametrize(
    ("held_out", "problem"),
    [(("id_08",), "no clips of id_08"), (("id_00", "id_02"), "nothing left to train on")],
)
def test_held_out_ids_must_leave_something_and_exist(root, held_out, problem):
    with pytest.raises(RequestError, match=problem):
        loaded(root, split="ids", held_out_ids=held_out)


def test_ids_split_without_anomalies_in_one_part_names_the_counts():
    with pytest.raises(DataError, match=r"the test machines lack .* \(id_00 4 anomalous, .*id_02 5 normal\)"):
        ids_split(clips_of({"id_00": (5, 4), "id_02": (5, 0)}), None, balance=False)


def test_a_label_with_a_single_clip_is_an_error():
    with pytest.raises(DataError, match=r"1 anomalous clip\(s\); training and testing need two or more"):
        authors_split(clips_of({"id_00": (5, 1)}), 0.1, balance=True)


def test_ids_choose_machines(root):
    assert len(loaded(root, ids=("id_00",), balance=False).train) < len(loaded(root, balance=False).train)
    with pytest.raises(RequestError, match=r"no clip of id_04 .* there are clips of id_00, id_02"):
        loaded(root, ids=("id_00", "id_04"))


def test_subset_takes_the_first_of_the_same_order(root):
    whole = loaded(root)
    part = loaded(root, subset=Subset(train=5, test=1))
    np.testing.assert_array_equal(part.train.x, whole.train.x[:5])
    np.testing.assert_array_equal(part.test.y, whole.test.y[:1])
    with pytest.raises(RequestError, match=r"dataset\.subset\.train=1000"):
        loaded(root, subset=Subset(train=1000))


def test_fingerprint_follows_the_content(root):
    first = loaded(root).fingerprint
    assert loaded(root).fingerprint == first
    clip = next(root.rglob("anomaly_id_00_*.wav"))
    write(clip, np.arange(4096, dtype=np.int16))
    assert loaded(root).fingerprint != first


def test_features_are_cached_below_the_root(root):
    loaded(root)
    assert list((root / "features").glob("stft-*/*.npz"))


def test_a_clip_of_another_length_is_named(root):
    clip = next(root.rglob("anomaly_id_02_*.wav"))
    write(clip, np.ones(9000, np.int16))
    with pytest.raises(DataError, match="all clips must be equally long") as caught:
        loaded(root)
    assert "5 frames" in str(caught.value)


def test_a_damaged_clip_is_named(root):
    clip = next(root.rglob("anomaly_id_02_*.wav"))
    clip.write_bytes(clip.read_bytes()[:1000])
    with pytest.raises(DataError) as caught:
        loaded(root)
    assert str(caught.value).startswith(f"{clip}: cut")


def test_a_name_that_is_not_official_is_named_and_hidden_files_are_not(root):
    directory = root / "dcase2020_task2/dev_data/slider"
    (directory / "train" / "._normal_id_00_00000000.wav").touch()
    loaded(root)
    write(directory / "test" / "broken.wav")
    with pytest.raises(DataError, match=r"broken\.wav: not a name of the official layout"):
        loaded(root)


def test_an_anomaly_in_the_train_folder_is_named(root):
    write(root / "dcase2020_task2/dev_data/slider/train/anomaly_id_00_00000000.wav")
    with pytest.raises(DataError, match="an anomaly in the train folder"):
        loaded(root)


def test_without_clips_the_error_says_what_to_do(tmp_path):
    with pytest.raises(DataError) as caught:
        loaded(tmp_path)
    message = str(caught.value)
    for part in ("dev_data/slider", "zenodo.org/records/3678171", "tinyprop data fetch dcase", "synthetic", "digits"):
        assert part in message


def test_feature_rows_replace_clips(tmp_path):
    rows = np.arange(40 * 6, dtype=np.float32).reshape(40, 6)
    np.savez(tmp_path / "rows.npz", x=rows, y=np.repeat([0, 1], 20), row=np.arange(40))
    dataset = loaded(tmp_path, feature_rows=str(tmp_path / "rows.npz"), test_fraction=0.1)
    assert (dataset.name, dataset.task, dataset.classes) == ("dcase", "binary", ("anomaly", "normal"))
    assert dataset.classes[dataset.positive] == "anomaly"
    assert (len(dataset.train), len(dataset.test)) == (36, 4)
    assert dataset.test.y.tolist() == [0, 0, 1, 1]
    assert "rows.npz" in dataset.notes[-1]


def test_impossible_settings_are_refused_all_at_once():
    with pytest.raises(InvalidSettings) as caught:
        DcaseSettings(machine="lathe", source="net", ids=("00",), split="x", held_out_ids=("id_00",), test_fraction=1.0)
    fields = [field for field, _ in caught.value.problems]
    assert fields == ["machine", "source", "ids", "split", "held_out_ids", "test_fraction"]
