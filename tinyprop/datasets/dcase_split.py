"""Dividing DCASE clips into training and test samples of the supervised task.

Both splits are fixed: they depend on the names of the clips and on nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tinyprop.datasets.dcase_clips import Clip, machine_ids
from tinyprop.errors import DataError, RequestError


@dataclass(frozen=True)
class ClipSplit:
    """Clips to train on and to test on, each in a random but fixed order, and what a reader must know about them."""

    train: list[Clip]
    test: list[Clip]
    notes: tuple[str, ...]


def authors_split(clips: list[Clip], test_fraction: float, balance: bool) -> ClipSplit:
    """Draw both parts from all clips, the same share of each label and, as far as it goes, of each machine id.

    Args:
        balance: leave out clips of the label that has more.

    Raises:
        DataError: a label has fewer than two clips.
    """
    by_label = {
        anomalous: _mixed([clip for clip in clips if clip.anomalous == anomalous]) for anomalous in (False, True)
    }
    fewest = min(len(members) for members in by_label.values())
    train: list[Clip] = []
    test: list[Clip] = []
    for anomalous, members in by_label.items():
        if len(members) < 2:
            raise DataError(
                f"{_place(clips)}: {len(members)} {_label(anomalous)} clip(s); training and testing need two or more"
            )
        taken = members[:fewest] if balance else members
        count = min(max(round(len(taken) * test_fraction), 1), len(taken) - 1)
        test += taken[:count]
        train += taken[count:]
    notes = [_note_on_ids(clips, train, test)]
    return ClipSplit(_shuffled(train), _shuffled(test), (*notes, *_left_out(clips, train, test)))


def ids_split(clips: list[Clip], held_out_ids: tuple[str, ...] | None, balance: bool) -> ClipSplit:
    """Train on some machines and test on others.

    Args:
        held_out_ids: the machines to test on; None for the last id.
        balance: for each machine, leave out clips of the label that has more, so that an id says nothing of the label.

    Raises:
        RequestError: there are no clips of a held-out id, or no others.
        DataError: all clips are of one machine, or one of the parts lacks a label.
    """
    found = machine_ids(clips)
    if len(found) < 2:
        raise DataError(
            f"{_place(clips)}: dataset.split=ids needs clips of two machine ids or more, there are only those of "
            f"{', '.join(found)}; add clips of other ids, or take dataset.split=authors"
        )
    held_out = (found[-1],) if held_out_ids is None else held_out_ids
    unknown = [name for name in held_out if name not in found]
    if unknown or len(set(held_out)) == len(found):
        problem = f"no clips of {', '.join(unknown)}" if unknown else "nothing left to train on"
        raise RequestError(f"dataset.held_out_ids: {problem}; choose some, not all, of {', '.join(found)}")
    kept = _balanced_by_id(clips) if balance else clips
    train = [clip for clip in kept if clip.machine_id not in held_out]
    test = [clip for clip in kept if clip.machine_id in held_out]
    for part, members in (("training", train), ("test", test)):
        if len({clip.anomalous for clip in members}) < 2:
            raise DataError(
                f"{_place(clips)}: the {part} machines lack normal or anomalous clips ({_counts(clips)}); "
                "hold out other ids by dataset.held_out_ids=[id_XX]"
            )
    notes = [f"Tested on machines that are not in training: {', '.join(sorted(set(held_out)))}."]
    return ClipSplit(_shuffled(train), _shuffled(test), (*notes, *_left_out(clips, train, test)))


def _mixed(clips: list[Clip]) -> list[Clip]:
    """Order clips so that each beginning of the list has every machine id in proportion."""
    position = {}
    for members in _by_id(clips).values():
        for index, clip in enumerate(_shuffled(members)):
            position[clip] = ((index + 0.5) / len(members), clip.machine_id)
    return sorted(clips, key=lambda clip: position[clip])


def _balanced_by_id(clips: list[Clip]) -> list[Clip]:
    kept: list[Clip] = []
    for members in _by_id(clips).values():
        normal = _shuffled(clip for clip in members if not clip.anomalous)
        anomalous = _shuffled(clip for clip in members if clip.anomalous)
        kept += [clip for pair in zip(normal, anomalous, strict=False) for clip in pair]
    return kept


def _by_id(clips: list[Clip]) -> dict[str, list[Clip]]:
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[clip.machine_id].append(clip)
    return dict(sorted(groups.items()))


def _shuffled(clips: Iterable[Clip]) -> list[Clip]:
    return sorted(clips, key=lambda clip: clip.draw)


def _note_on_ids(clips: list[Clip], train: list[Clip], test: list[Clip]) -> str:
    found = machine_ids(clips)
    if len(found) == 1:
        return f"All clips are of one machine, {found[0]}."
    hits = _hits_by_id_alone(train, test)
    return (
        "The same machines are in training and test, so label and machine id may be mixed up: "
        f"a guess from the machine id alone gets {hits} of the {len(test)} test clips right "
        "(dataset.split=ids avoids it)."
    )


def _hits_by_id_alone(train: list[Clip], test: list[Clip]) -> int:
    """How many test clips get the right label from the more frequent one of their machine id in training."""
    seen = Counter((clip.machine_id, clip.anomalous) for clip in train)
    return sum((seen[clip.machine_id, True] > seen[clip.machine_id, False]) == clip.anomalous for clip in test)


def _left_out(clips: list[Clip], train: list[Clip], test: list[Clip]) -> list[str]:
    used = set(train) | set(test)
    labels = Counter(_label(clip.anomalous) for clip in clips if clip not in used)
    what = " and ".join(f"{count} {label}" for label, count in sorted(labels.items()))
    return [f"{what} clip(s) were left out so that both labels are equally frequent (dataset.balance)."] if what else []


def _counts(clips: list[Clip]) -> str:
    counts = Counter((clip.machine_id, _label(clip.anomalous)) for clip in clips)
    return ", ".join(f"{machine_id} {count} {label}" for (machine_id, label), count in sorted(counts.items()))


def _label(anomalous: bool) -> str:
    return "anomalous" if anomalous else "normal"


def _place(clips: list[Clip]) -> str:
    return str(clips[0].path.parent.parent) if clips else "no clips"
