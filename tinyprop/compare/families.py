"""Runs sorted into families that may be compared, and within each into configurations over seeds.

A family shares dataset (its fingerprint too), network, optimizer, training, initial weights and backend; nothing is
ever paired across families. A configuration of a family is a policy; its runs differ in their seeds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tinyprop.compare.quantities import Quantity
from tinyprop.compare.run import Excluded, Run
from tinyprop.tracking.configuration import Keys, policy_of, setting_of
from tinyprop.tracking.labels import family_labels, output_layer, policy_labels


@dataclass(frozen=True, eq=False)
class Group:
    """One configuration over seeds.

    Attributes:
        label: short, and different from every other in the family.
        policy: the policy's keys.
        runs: its finished runs, one a seed.
        missing: seeds that other configurations of the family have, and why this one does not.
    """

    label: str
    policy: Keys
    runs: dict[int, Run]
    missing: dict[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.get("name", "")

    @property
    def output(self) -> str | None:
        """Whether its output layer is ``sparse`` or ``dense``; None of dense backpropagation."""
        return output_layer(self.policy)

    @property
    def single_output(self) -> bool:
        """Whether the output layer is known to have one entry, of which nothing can be left out: sparse and dense are
        the same.
        """
        layers = [run.result.get("layers") for run in self.runs.values()]
        return bool(layers) and all(known and known[-1]["n"] == 1 for known in layers)

    def values(self, quantity: Quantity) -> dict[int, float]:
        """The quantity by seed, of the runs that have it."""
        found = {seed: quantity.of(run) for seed, run in sorted(self.runs.items())}
        return {seed: value for seed, value in found.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Family:
    """Configurations that may be compared with each other.

    Attributes:
        setting: what all of them share, but the policy.
        fingerprint: of the data.
        notes: of the data, for the reader.
    """

    label: str
    setting: Keys
    fingerprint: str
    groups: list[Group]
    synthetic: bool
    notes: tuple[str, ...]

    @property
    def seeds(self) -> list[int]:
        """Every seed that any configuration has."""
        return sorted({seed for group in self.groups for seed in group.runs})


def sort_runs(runs: Iterable[Run]) -> tuple[list[Family], list[Excluded]]:
    """Families of the finished runs, the largest first, and every run that is in none of them, with the reason."""
    all_runs = list({run.identity: run for run in runs}.values())
    excluded: list[Excluded] = []
    sorted_in: dict[tuple[str, str], dict[str, dict[int, Run]]] = {}
    for run in sorted((run for run in all_runs if run.finished), key=_preference, reverse=True):
        reason = _unusable(run)
        if reason is not None:
            excluded.append(Excluded(run.name, run.place, "incomparable", reason))
            continue
        family = sorted_in.setdefault((_text(setting_of(run.config)), run.result["dataset_fingerprint"]), {})
        group = family.setdefault(_text(policy_of(run.config)), {})
        seed = int(run.config["seed"])
        if seed in group:
            excluded.append(
                Excluded(run.name, run.place, "repeated", f"the same run as {group[seed].place}, seed {seed}")
            )
        else:
            group[seed] = run
    failed = [run for run in all_runs if not run.finished]
    families = _families(sorted_in, failed)
    excluded += [_not_finished(run, families) for run in failed]
    for each in families:
        _find_missing(each, [run for run in failed if _belongs(run, each)])
    return families, sorted(excluded, key=lambda each: (each.status, each.what))


def _families(sorted_in: dict[tuple[str, str], dict[str, dict[int, Run]]], failed: Sequence[Run]) -> list[Family]:
    settings: list[Keys] = [json.loads(setting) for setting, _ in sorted_in]
    firsts = [next(iter(next(iter(groups.values())).values())) for groups in sorted_in.values()]
    datasets = [_dataset(run) for run in firsts]
    labels = family_labels(settings, datasets)
    found = []
    for ((text, fingerprint), groups), label, setting, first in zip(
        sorted_in.items(), labels, settings, firsts, strict=True
    ):
        for run in failed:  # a configuration none of whose runs has finished is shown all the same
            if run.config and _text(setting_of(run.config)) == text:
                groups.setdefault(_text(policy_of(run.config)), {})
        policies: list[Keys] = [json.loads(policy) for policy in groups]
        named = zip(policy_labels(policies), policies, groups.values(), strict=True)
        found.append(
            Family(
                label if labels.count(label) == 1 else f"{label} · data {fingerprint[:8]}",
                setting,
                fingerprint,
                sorted((Group(name, policy, runs) for name, policy, runs in named), key=_order),
                bool(first.result.get("synthetic")),
                tuple(first.result.get("notes") or ()),
            )
        )
    return sorted(found, key=lambda family: -sum(len(group.runs) for group in family.groups))


def _find_missing(family: Family, failed: Sequence[Run]) -> None:
    for group in family.groups:
        for seed in family.seeds:
            if seed not in group.runs:
                lost = [run for run in failed if run.seed == seed and policy_of(run.config) == group.policy]
                group.missing[seed] = lost[0].status if lost else "no run"


def _not_finished(run: Run, families: Sequence[Family]) -> Excluded:
    groups = [group for family in families if _belongs(run, family) for group in family.groups]
    known = [group for group in groups if policy_of(run.config) == group.policy]
    what = f"{known[0].label}, seed {run.seed}" if known else run.name
    reason = run.reason or "no reason was recorded"
    if known and run.seed in known[0].runs:
        reason += "; another attempt at it finished and is compared"
    return Excluded(what, run.place, run.status, reason)


def _belongs(run: Run, family: Family) -> bool:
    return bool(run.config) and setting_of(run.config) == family.setting


def _unusable(run: Run) -> str | None:
    if not run.config.get("policy") or run.seed is None:
        return "its configuration is not known"
    if not run.result.get("dataset_fingerprint"):
        return "the fingerprint of its data is not known"
    return None


def _preference(run: Run) -> tuple[bool, float, str]:
    """Of runs that are the same that with a test score every epoch is taken, then the latest."""
    every_epoch = bool(run.config.get("trainer", {}).get("test_every_epoch"))
    return every_epoch, run.recorded, run.place


def _dataset(run: Run) -> str:
    name = str(run.result.get("dataset", run.config.get("dataset", {}).get("name", "?")))
    return f"{name} (SYNTHETIC data)" if run.result.get("synthetic") else name


def _order(group: Group) -> tuple[int, str, float, str]:
    kinds = ("dense", "static", "meprop", "random", "scheduled", "adaptive", "budget")
    place = next((index for index, kind in enumerate(kinds) if group.name.startswith(kind)), len(kinds))
    size = group.policy.get("ratio", group.policy.get("k", group.policy.get("budget", "")))
    return place, group.name, float(size) if size.replace(".", "", 1).isdecimal() else 0.0, group.label


def _text(keys: Keys) -> str:
    return json.dumps(dict(keys), sort_keys=True)
