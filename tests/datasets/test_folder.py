import numpy as np
import pytest

from tests.features.sounds import tone, write
from tinyprop.datasets.folder import FolderSettings, load
from tinyprop.datasets.subset import Subset
from tinyprop.errors import DataError, InvalidSettings


@pytest.fixture
def clips(tmp_path):
    """Three classes of five clips, in three formats and two lengths."""
    for label, name in enumerate(("hum", "beep", "whistle")):
        for index in range(5):
            suffix = (".wav", ".flac", ".ogg")[index % 3]
            sound = tone(0.7 if index % 2 else 1.3, hertz=200 * 4**label, seed=index)
            write(tmp_path / "clips" / name / f"{index}{suffix}", sound)
    return tmp_path / "clips"


def loaded(clips, **settings):
    return load(FolderSettings(path=str(clips), root=str(clips.parent / "data"), **settings))


def test_subfolders_are_classes_and_samples_images_of_one_channel(clips):
    dataset = loaded(clips)
    assert (dataset.name, dataset.task) == ("folder", "classification")
    assert dataset.classes == ("beep", "hum", "whistle")
    assert dataset.input_shape == (1, 32, 40)
    assert np.bincount(dataset.train.y).tolist() == [4, 4, 4]
    assert np.bincount(dataset.test.y).tolist() == [1, 1, 1]
    assert any("cut or zero-padded" in note for note in dataset.notes)


def test_labels_belong_to_the_sounds(clips):
    dataset = loaded(clips, standardize=False)
    loudest = dataset.train.x[:, 0, :15].mean(axis=1).argmax(axis=1)
    pitch = [loudest[dataset.train.y == dataset.classes.index(name)] for name in ("hum", "beep", "whistle")]
    assert pitch[0].max() < pitch[1].min() <= pitch[1].max() < pitch[2].min()


def test_training_bins_have_mean_0_and_deviation_1(clips):
    x = loaded(clips).train.x
    np.testing.assert_allclose(x.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(x.std(axis=(0, 1, 2)), 1, atol=1e-4)


def test_stft_features_can_be_had_instead(clips):
    assert loaded(clips, features="stft").input_shape == (1, 62, 129)


def test_the_split_is_always_the_same_and_subsets_are_mixed(clips):
    first, second = loaded(clips), loaded(clips)
    np.testing.assert_array_equal(first.test.x, second.test.x)
    assert first.fingerprint == second.fingerprint
    assert len(set(loaded(clips, subset=Subset(train=8)).train.y)) == 3


def test_a_clip_of_another_rate_is_an_error_unless_resampled(clips):
    write(clips / "hum" / "9.wav", tone(rate=8000), rate=8000)
    with pytest.raises(DataError, match=r"9\.wav: 8000 Hz, expected 16000 Hz"):
        loaded(clips)
    dataset = loaded(clips, resample=True)
    assert "Clips of another rate were converted to 16000 Hz." in dataset.notes


def test_other_files_are_ignored_and_counted(clips):
    (clips / "hum" / "readme.txt").write_text("hm")
    (clips / "hum" / ".hidden.wav").touch()
    assert any(note.startswith("1 file(s)") for note in loaded(clips).notes)


def test_a_missing_folder_a_single_class_and_an_almost_empty_class_are_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        loaded(tmp_path / "clips")
    write(tmp_path / "clips" / "hum" / "0.wav")
    with pytest.raises(DataError, match=r"1 subfolder\(s\)"):
        loaded(tmp_path / "clips")
    write(tmp_path / "clips" / "beep" / "0.wav")
    with pytest.raises(DataError, match=r"clips/beep: 1 clip\(s\)"):
        loaded(tmp_path / "clips")


def test_impossible_settings_are_refused_all_at_once():
    with pytest.raises(InvalidSettings) as caught:
        FolderSettings(rate=0, seconds=-1.0, features="mfcc", test_fraction=0.0)
    fields = [field for field, _ in caught.value.problems]
    assert fields == ["path", "rate", "seconds", "features", "test_fraction"]


def test_seconds_too_short_for_a_frame_are_refused():
    with pytest.raises(InvalidSettings, match=r"0\.01 s are 160 samples; logmel features with these settings need 513"):
        FolderSettings(path="clips", seconds=0.01)
