"""Inside a run: its trial hears every epoch's validation metric and says whether to go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tinyprop.search.storage import open_storage
from tinyprop.search.study import IDENTITY, pruner_of, trial_of


def watch(storage_url: str, study_name: str, number: int) -> Callable[[Mapping[str, float]], str | None]:
    """A function from an epoch's row to the reason to end the run there, or None."""
    import optuna

    storage = open_storage(storage_url)
    study = optuna.load_study(study_name=study_name, storage=storage)
    identity = study.user_attrs[IDENTITY]
    study.pruner = pruner_of(identity)
    (metric,) = identity["objectives"]
    known = set(study.get_trials(deepcopy=False)[number].intermediate_values)
    trial = trial_of(study, storage, number)

    def ask(row: Mapping[str, float]) -> str | None:
        epoch = int(row["epoch"])
        if epoch in known:
            return None  # told by the process that trained this epoch first
        trial.report(row[metric], epoch)
        if not trial.should_prune():
            return None
        return f"pruned after epoch {epoch}: {metric} {row[metric]:.4g} falls behind the other trials"

    return ask
