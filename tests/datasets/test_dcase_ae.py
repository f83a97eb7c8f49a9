import numpy as np
import pytest

from tests.datasets.dcase_layout import write_clips
from tests.features.sounds import write
from tinyprop.datasets.dcase_ae import DcaseAeSettings, load
from tinyprop.datasets.dcase_clips import find_clips
from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, InvalidSettings, RequestError
from tinyprop.features.audio import read_clip
from tinyprop.features.logmel import LogMel, log_mel

FRAMES = 1 + 4096 // 512


@pytest.fixture
def root(tmp_path):
    write_clips(tmp_path, {"id_00": (3, 1, 2), "id_02": (2, 2, 1)})
    return tmp_path


def loaded(root, **settings):
    return load(DcaseAeSettings(root=str(root), source="local", **settings))


def test_trains_on_windows_of_normal_clips_and_tests_on_both(root):
    dataset = loaded(root)
    windows = FRAMES - 4
    assert (dataset.name, dataset.task, dataset.classes) == ("dcase_ae", "reconstruction", ("normal", "anomaly"))
    assert dataset.train.x.shape == (5 * windows, 640)
    assert dataset.test.x.shape == (6 * windows, 640)
    assert dataset.train.x.dtype == np.float32
    assert not dataset.train.y.any()
    assert dataset.test.y.sum() == 3 * windows


def test_groups_are_clips_and_domains_their_machine_ids(root):
    dataset = loaded(root)
    clips = [clip for clip in find_clips(root / "dcase2020_task2/dev_data/slider") if clip.split == "test"]
    assert dataset.test.domain == tuple(clip.machine_id for clip in clips)
    for index, clip in enumerate(clips):
        mine = dataset.test.group == index
        assert set(dataset.test.y[mine]) == {int(clip.anomalous)}
        spectrogram = log_mel(read_clip(clip.path), 16000, LogMel())
        baseline = np.concatenate([spectrogram[shift : shift + FRAMES - 4] for shift in range(5)], axis=1)
        np.testing.assert_array_equal(dataset.test.x[mine], baseline)


def test_a_slice_of_the_windows_can_be_taken(root):
    whole, part = loaded(root), loaded(root, window_start=1, window_count=2)
    assert len(part.train) == 5 * 2
    np.testing.assert_array_equal(part.train.x[:2], whole.train.x[1:3])


def test_subset_counts_clips(root):
    dataset = loaded(root, subset=Subset(train=2, test=3))
    assert (len(dataset.train.domain), len(dataset.test.domain)) == (2, 3)
    assert len(dataset.train) == 2 * (FRAMES - 4)
    with pytest.raises(RequestError, match=r"dataset\.subset\.test=9"):
        loaded(root, subset=Subset(test=9))


def test_clips_of_unequal_length_are_welcome(root):
    write(root / "dcase2020_task2/dev_data/slider/test/normal_id_00_00000077.wav", np.ones(9000, np.int16))
    assert len(loaded(root).test) == 6 * (FRAMES - 4) + (1 + 9000 // 512) - 4


def test_a_clip_with_too_few_windows_is_named(root):
    with pytest.raises(DataError, match=r"\.wav: 5 windows of 5 frames, too few for window_start=3 and window_count=4"):
        loaded(root, window_start=3, window_count=4)


def test_no_clips_to_train_on_is_an_error(tmp_path):
    write_clips(tmp_path, {"id_00": (0, 2, 2)})
    with pytest.raises(DataError, match=r"slider/train: no clips"):
        loaded(tmp_path)


def test_fingerprint_tells_machine_ids_apart(root):
    assert loaded(root).fingerprint == loaded(root).fingerprint
    assert loaded(root).fingerprint != loaded(root, ids=("id_00",)).fingerprint


def test_impossible_settings_are_refused_all_at_once():
    with pytest.raises(InvalidSettings) as caught:
        DcaseAeSettings(machine="lathe", frames=0, window_start=-1, window_count=0)
    assert [field for field, _ in caught.value.problems] == ["machine", "frames", "window_start", "window_count"]
