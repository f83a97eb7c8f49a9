"""``tinyprop completion``: completion of verbs, and of overrides by Hydra's own machinery."""

from __future__ import annotations

import argparse
import os

from tinyprop.cli import VERBS

SUMMARY = "print the shell's completion script"

_EPILOG = """\
examples:
  eval "$(tinyprop completion bash)"     in ~/.bashrc
  eval "$(tinyprop completion zsh)"      in ~/.zshrc
  tinyprop completion fish | source      in ~/.config/fish/config.fish

then: tinyprop tr<TAB>, tinyprop train policy=<TAB>, tinyprop train policy.<TAB>"""

_BASH = """\
_tinyprop() {
    local IFS=$'\\n' word="${COMP_LINE:0:$COMP_POINT}"
    word="${word##* }"
    COMPREPLY=($(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" tinyprop completion query 2>/dev/null))
    # Where = separates words for the shell, it replaces only what stands behind it.
    if [[ "$COMP_WORDBREAKS" == *=* && "$word" == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%=*}="}")
    fi
}
complete -o nospace -o default -F _tinyprop tinyprop
"""
_FISH = """\
function __tinyprop
    set -lx COMP_LINE (commandline -cp)
    set -lx COMP_POINT (string length -- $COMP_LINE)
    tinyprop completion query 2>/dev/null
end
complete -c tinyprop -f -a '(__tinyprop)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": f"autoload -U +X bashcompinit && bashcompinit\n{_BASH}", "fish": _FISH}


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tinyprop completion",
        description="Print the script that makes a shell complete verbs, groups, options and keys.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=(*_SCRIPTS, "query"), help="query is what the scripts call")
    shell = parser.parse_args(argv).shell
    if shell != "query":
        print(_SCRIPTS[shell], end="")
        return 0
    line = os.environ.get("COMP_LINE", "")
    _answer(line[: int(os.environ.get("COMP_POINT", len(line)))])
    return 0


def _answer(line: str) -> None:
    """Print, one a line, what the last word of a command line can become."""
    words = line.split(" ")
    if len(words) <= 2:
        print("\n".join(verb for verb in VERBS if verb.startswith(words[-1] if len(words) == 2 else "")))
    elif words[1] == "train":
        print("\n".join(_overrides(words[2:])))
    elif words[1] == "cost":
        from tinyprop.cli.cost import candidates as of_cost

        print("\n".join(of_cost(words[2:]) or _overrides(words[2:])))
    elif words[1] == "compare":
        from tinyprop.cli.compare import candidates as of_compare

        print("\n".join(of_compare(words[2:])))
    elif words[1] == "reproduce":
        from tinyprop.cli.reproduce import candidates as of_reproduce

        print("\n".join([*of_reproduce(words[2:]), *_overrides(words[2:])]))
    elif words[1] == "presets":
        from tinyprop.cli.presets import candidates

        print("\n".join(name for name in candidates() if name.startswith(words[-1])))
    elif words[1] == "export":
        from tinyprop.cli.export import candidates as of_export

        print("\n".join(of_export(words[2:])))


def _overrides(words: list[str]) -> list[str]:
    """What Hydra, which knows neither verbs nor our flags, would make of the last word."""
    from tinyprop.config.hydra_command import completions

    return completions([*(word for word in words[:-1] if not word.startswith("-")), words[-1]])
