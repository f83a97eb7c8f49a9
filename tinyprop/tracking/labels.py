"""Short names for runs: what a reader needs to tell configurations apart, and no more.

A comparison knows all its runs and says what differs; a run by itself says what is not a matter of course.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from tinyprop.tracking.configuration import ABSENT, Keys, differing

_ALWAYS = {"ratio": "{}", "k": "k={}"}
"""What a policy is known by, also where there is one of its kind."""
_SYMBOLS = {"zeta": "ζ"}
_OUTPUT = "sparsify_output"
_BOUNDS = ("s_min", "s_max")
_LONG = 40
"""Characters from which a value is named by its digest."""
_TELLING = (*_BOUNDS, "zeta")
"""What adaptive policies are told apart by in the first place."""


def policy_labels(policies: Sequence[Keys]) -> list[str]:
    """A label for each policy, such as ``static 0.1, output dense``; different policies have different labels.

    What differs among policies of one kind is in their labels. Whether the output layer is sparse is, wherever it
    differs between any two that could have it so.
    """
    outputs = {policy[_OUTPUT] for policy in policies if _OUTPUT in policy}
    labels = []
    for policy in policies:
        kin = [other for other in policies if other.get("name") == policy.get("name")]
        labels.append(_label(policy, differing(kin), with_output=len(outputs) > 1))
    return labels


def policy_label(policy: Keys, usual: Keys) -> str:
    """A label for a policy whose siblings are not known, in the same words: ``adaptive 0.05–1, ζ 1, output dense``.

    Args:
        usual: values that go without saying, by key.
    """
    unusual = [key for key, value in policy.items() if value != usual.get(key) and key not in _TELLING]
    return _label(policy, [*(key for key in _TELLING if key in policy), *unusual], with_output=True)


def output_layer(policy: Keys) -> str | None:
    """``sparse`` or ``dense``; None of a policy without the choice, which dense backpropagation is."""
    return {"true": "sparse", "false": "dense"}.get(policy.get(_OUTPUT, ""))


def family_labels(settings: Sequence[Keys], datasets: Sequence[str]) -> list[str]:
    """A label for each setting: dataset, network, optimizer, length and batch, and what else tells it from those that
    are the same in all of these.

    Args:
        datasets: each one's dataset as it is to be called.
    """
    plain = [setting_label(setting, name) for setting, name in zip(settings, datasets, strict=True)]
    labels = []
    for label, setting in zip(plain, settings, strict=True):
        alike = [other for other, known in zip(settings, plain, strict=True) if known == label]
        telling = [key for key in differing(alike) if not _follows(key, alike)]
        labels.append(" · ".join([label, *(_assignment(setting, key) for key in telling)]))
    return labels


def setting_label(setting: Keys, dataset: str) -> str:
    """Dataset, network, optimizer, length and batch: ``digits · mlp 32-16 · adam · 15 epochs · batch 20``."""
    return " · ".join([dataset, *_parts(setting)])


def _follows(key: str, settings: Sequence[Keys]) -> bool:
    """Whether a key differs only because another option of its group was chosen, which has it or has it not."""
    names = {setting.get(f"{key.partition('.')[0]}.name", ABSENT) for setting in settings}
    return len(names) > 1 and not key.endswith(".name") and any(key not in setting for setting in settings)


def _parts(setting: Keys) -> list[str]:
    hidden = setting.get("model.hidden", "").strip("[]").replace(",", "-")
    fine_tuned = setting.get("pretrain", "[]") != "[]" or setting.get("trainer.init_from", "null") != "null"
    epochs = setting.get("trainer.epochs", "?")
    return [
        setting.get("model.name", "?") + (f" {hidden}" if hidden else ""),
        setting.get("optimizer.name", "?"),
        f"{epochs} epoch{'' if epochs == '1' else 's'}",
        f"batch {setting.get('trainer.batch_size', '?')}",
        *(["fine-tuning"] if fine_tuned else []),
    ]


def _label(policy: Keys, telling: Sequence[str], *, with_output: bool) -> str:
    name = policy.get("name", "unknown policy")
    head = [name]
    for key, form in _ALWAYS.items():
        if key in policy:
            head.append(form.format(_number(policy[key])))
    if any(key in telling for key in _BOUNDS):
        head.append("–".join(_number(policy.get(key, ABSENT)) for key in _BOUNDS))
    said = {"name", _OUTPUT, *_ALWAYS, *_BOUNDS}
    parts = [" ".join(head), *(_assignment(policy, key) for key in telling if key not in said)]
    if with_output and output_layer(policy) is not None:
        parts.append(f"output {output_layer(policy)}")
    return ", ".join(parts)


def _assignment(keys: Mapping[str, str], key: str) -> str:
    value = _number(keys.get(key, ABSENT))
    if len(value) > _LONG:
        value = f"#{hashlib.sha256(value.encode()).hexdigest()[:6]}"
    return f"{_SYMBOLS[key]} {value}" if key in _SYMBOLS else f"{key}={value}"


def _number(text: str) -> str:
    """A number as short as it can be said: ``1`` for ``1.0``."""
    return text.removesuffix(".0")
