from pathlib import Path

import pytest
from omegaconf import OmegaConf
from pydantic import TypeAdapter

from tinyprop.datasets.dcase import DcaseSettings
from tinyprop.datasets.dcase_ae import DcaseAeSettings
from tinyprop.datasets.folder import FolderSettings

PRESETS = Path(__file__).parents[2] / "conf" / "dataset"


@pytest.mark.parametrize(
    ("name", "settings"), [("dcase", DcaseSettings), ("dcase_ae", DcaseAeSettings), ("folder", FolderSettings)]
)
def test_the_preset_gives_every_setting_its_default(name, settings):
    content = OmegaConf.to_container(OmegaConf.load(PRESETS / f"{name}.yaml"))
    required = {"path": "clips"} if name == "folder" else {}
    read = TypeAdapter(settings).validate_python({**content, **required})
    assert read == settings(**required)
    assert set(content) == set(settings.__dataclass_fields__)


def test_mlperf_tiny_s_windows_can_be_chosen():
    settings = TypeAdapter(DcaseAeSettings).validate_python({"window_start": 50, "window_count": 196, "ids": ["id_01"]})
    assert settings == DcaseAeSettings(window_start=50, window_count=196, ids=("id_01",))
