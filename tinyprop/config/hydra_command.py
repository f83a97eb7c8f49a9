"""Hydra's own command line on our configuration tree. Loads no numerical library: completion waits for it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import hydra
from omegaconf import OmegaConf

from tinyprop.config.location import CONFIG_NAME, config_directory

# Our launchers' options bear the names that their plugins give them, whose types they are checked against.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")

HYDRA_VERSION = "1.3"
"""Whose defaults hold; among them that a job stays in the working directory."""


def run_hydra(arguments: Sequence[str], job: Callable[[Any], Any]) -> None:
    """Run it: runs, multiruns, --cfg, --info, completion.

    Ends by `SystemExit` where Hydra ends the program.
    """
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        hydra.main(version_base=HYDRA_VERSION, config_path=str(config_directory()), config_name=CONFIG_NAME)(job)()
    finally:
        sys.argv = before


def completions(words: Sequence[str]) -> list[str]:
    """What the last of some words of a command line without its verb can become."""
    line = " ".join(("tinyprop", *words))
    os.environ["COMP_LINE"], os.environ["COMP_POINT"] = line, str(len(line))
    OmegaConf.register_new_resolver("engine_or_torch", lambda: "native", replace=True)  # either completes alike
    answer = io.StringIO()
    with contextlib.redirect_stdout(answer):
        run_hydra(["-sc", "query=bash"], lambda tree: None)
    return answer.getvalue().split()
