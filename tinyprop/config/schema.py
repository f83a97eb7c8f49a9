"""The typed configuration of one run: what the rest of the program receives instead of a configuration tree.

Each group's classes live beside the code that they configure and check themselves; this puts them together.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from tinyprop.backends.engine_settings import EngineBackend
from tinyprop.backends.native_settings import NativeBackend
from tinyprop.backends.renode_settings import RenodeBackend
from tinyprop.backends.torch_settings import TorchBackend
from tinyprop.backends.unicorn_settings import UnicornBackend
from tinyprop.cost.target import Target
from tinyprop.datasets import DatasetSettings
from tinyprop.errors import InvalidSettings
from tinyprop.estimate.settings import CostSettings
from tinyprop.models import AnyModel
from tinyprop.sparse.policies import AnyPolicy
from tinyprop.tracking.identity import config_hash, run_name
from tinyprop.tracking.settings import TrackingSettings
from tinyprop.training.optimizer import AnyOptimizer
from tinyprop.training.settings import Trainer

AnyBackend = TorchBackend | NativeBackend | UnicornBackend | RenodeBackend


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StudySettings(_Strict):
    """What a multirun trains where its command line does not choose policies itself.

    Attributes:
        arms: lines of overrides, several values allowed; see `tinyprop.config.grid`.
        seeds: how many seeds, counted from 0, each arm is trained with.
    """

    arms: tuple[str, ...] = ()
    seeds: int = Field(default=1, ge=1)


class SweepSettings(_Strict):
    """Which multirun a run belongs to, and which trial of a search; set by the multirun itself.

    Attributes:
        apart: what tells the run from its siblings besides policy and seed, for people.
        storage: where the run tells the search how it does, epoch by epoch, which may end it early; None: it does not.
    """

    id: str | None = None
    parent_run_id: str | None = None
    apart: str = ""
    study: str | None = None
    trial: int | None = None
    storage: str | None = None


class RunConfig(_Strict):
    """One run, complete.

    Attributes:
        seed: decides initial weights, sample order and every lot that is drawn.
        runs_dir: where run directories and the default MLflow database are.
        pretrain: overrides that describe a run to begin with the weights of; it is trained first if it is not there.
    """

    dataset: Annotated[DatasetSettings, Field(discriminator="name")]
    model: Annotated[AnyModel, Field(discriminator="name")]
    policy: Annotated[AnyPolicy, Field(discriminator="name")]
    optimizer: Annotated[AnyOptimizer, Field(discriminator="name")]
    trainer: Trainer
    backend: Annotated[AnyBackend, Field(discriminator="name")]
    target: Target
    seed: int = Field(ge=0, lt=2**32)
    runs_dir: str = Field(min_length=1)
    pretrain: tuple[str, ...] = ()
    cost: CostSettings = CostSettings()
    tracking: TrackingSettings
    study: StudySettings = StudySettings()
    sweep: SweepSettings = SweepSettings()

    @property
    def hash(self) -> str:
        """Digest of everything that decides the result."""
        return config_hash(self.plain())

    @property
    def run_name(self) -> str:
        """Name of the run's directory."""
        return run_name(self.plain())

    def plain(self) -> dict[str, Any]:
        """The configuration as nested JSON values."""
        return self.model_dump(mode="json")

    @field_validator("backend", mode="after")
    @classmethod
    def _can_run_the_rest(cls, backend: AnyBackend, others: ValidationInfo) -> AnyBackend:
        """Refused here rather than once all is read, so that it comes with every other problem."""
        if isinstance(backend, EngineBackend):
            parts = {part: others.data.get(part) for part in ("model", "policy", "optimizer", "trainer")}
            if refused := list(backend.refusals(backend.name, **parts)):
                raise InvalidSettings(refused)
        return backend

    @model_validator(mode="after")
    def _one_beginning(self) -> RunConfig:
        if self.pretrain and self.trainer.init_from is not None:
            raise ValueError("pretrain and trainer.init_from both say what to begin with; set trainer.init_from=null")
        return self
