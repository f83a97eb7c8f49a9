"""Everything that is wrong with a request, gathered so that it can be said at once."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError

from tinyprop.errors import InvalidSettings, RequestError


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the known names that look like it, or all of them if there are few."""
    known = sorted(set(known))
    group, _, last = name.rpartition(".")
    siblings = [full.removeprefix(f"{group}.") for full in known if group and full.startswith(f"{group}.")]
    elsewhere = any(full.rpartition(".")[2] == last for full in known)
    if siblings and not elsewhere and not get_close_matches(last, siblings, cutoff=0.6):
        # What two names have in common would be their group, which is long and says nothing.
        return f"{group} has {', '.join(siblings)}"
    similar = get_close_matches(name, known, n=3, cutoff=0.6)
    # Someone who types the last part of a long name means that name.
    similar += [full for full in known if full.rsplit(".", 1)[-1] == name.rsplit(".", 1)[-1] and full not in similar]
    if similar:
        return f"did you mean {' or '.join(similar[:4])}?"
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"known: {shown}"


def raise_all(problems: Iterable[str]) -> None:
    """Raise one `RequestError` that lists the problems, each once; nothing if there are none."""
    found = list(dict.fromkeys(problems))
    if len(found) == 1:
        raise RequestError(found[0])
    if found:
        raise RequestError(f"{len(found)} problems with this request:\n" + "\n".join(f"  {text}" for text in found))


def listed(error: RequestError) -> list[str]:
    """The problems of an error that `raise_all` raised."""
    first, *others = str(error).split("\n")
    return [text.strip() for text in others] or [first]


def first_line(error: Exception) -> str:
    """The first line of another library's message."""
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def of_validation(error: ValidationError) -> list[str]:
    """A schema's refusals as ``key: message``, with the value."""
    problems = []
    for detail in error.errors():
        # A choice among classes adds the class's tag to the path: group, tag, field.
        path = [str(part) for part in detail["loc"]]
        key = ".".join([path[0], *path[2:]] if len(path) > 1 and path[0] in _CHOICES else path)
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, InvalidSettings):
            problems += [f"{'.'.join(filter(None, (key, field)))}: {message}" for field, message in cause.problems]
        elif cause is not None:
            problems.append(f"{key}: {cause}" if key else str(cause))
        elif detail["type"] == "unexpected_keyword_argument" or detail["type"] == "extra_forbidden":
            problems.append(f"{key}: no such key")
        elif detail["type"] == "missing":
            problems.append(f"{key}: a value is required, as in {key}=…")
        else:
            problems.append(f"{key}={detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}")
    return problems


_CHOICES = ("dataset", "model", "policy", "optimizer", "backend")
