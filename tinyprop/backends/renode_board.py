"""The board in Renode: a job is a run of Renode in a directory of its own, which is gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyprop.backends import renode_process
from tinyprop.backends.board import FLASH, FLASH_BYTES, POOL, SAMPLES, SRAM, SRAM_BYTES, STACK_TOP, Job
from tinyprop.backends.renode_script import (
    IMAGE,
    PLATFORM,
    SCRIPT,
    Load,
    Logged,
    Region,
    mark_hook,
    platform,
    script,
    slices,
)
from tinyprop.backends.renode_watch import Mark
from tinyprop.engine.image import Image
from tinyprop.engine.images import Core


class RenodeBoard:
    """One core with its firmware image. Nothing of one job is there in the next."""

    def __init__(self, renode: Path, core: Core, image: Image, time_limit_s: float):
        self._renode = renode
        self._core = core
        self._image = image
        self._time_limit_s = time_limit_s

    def run(
        self,
        job: Job,
        contents: Mapping[int, NDArray[Any]],
        *,
        pool_end: int = POOL,
        answer_bytes: int,
        loops: int,
        budget: int,
        logged: Logged | None = None,
        on_mark: Callable[[Mark], None] = lambda mark: None,
    ) -> bytes:
        """Do a job from reset, and return what came over the serial line: ``answer_bytes``, perhaps more.

        Args:
            contents: by their addresses in samples and pool, what is there before.
            pool_end: the first address behind what the job needs of the pool.
            loops: calls of tp_mark with `JOB_LOOP` that are awaited, so that no mark before them is missed.
            budget: instructions that the job takes at most.
            logged, on_mark: which calls of tp_mark are told to ``on_mark``; None is all.

        Raises:
            RenodeError: no answer came.
        """
        ends = {
            base: max((at + content.nbytes for at, content in contents.items() if base <= at < limit), default=base)
            for base, limit in ((SAMPLES, POOL), (POOL, 1 << 32))
        }
        regions = [
            Region("flash", FLASH, FLASH_BYTES),
            Region("sram", SRAM, SRAM_BYTES),
            Region("samples", SAMPLES, ends[SAMPLES] - SAMPLES),
            Region("pool", POOL, max(pool_end, ends[POOL]) - POOL),
        ]
        symbols = self._image.symbols
        with tempfile.TemporaryDirectory(prefix="tinyprop-renode-") as name:
            directory = Path(name)
            shutil.copyfile(self._core.path, directory / IMAGE)
            loads = [Load("job.bin", symbols["tp_job"])]
            (directory / "job.bin").write_bytes(job.to_bytes())
            for address, content in contents.items():
                loads.append(Load(f"{address:x}.bin", address))
                content.tofile(directory / loads[-1].file)
            (directory / PLATFORM).write_text(platform(self._core.name, regions))
            (directory / SCRIPT).write_text(
                script(
                    loads=loads,
                    stack=STACK_TOP,
                    entry=self._image.entry,
                    mark=symbols["tp_mark"],
                    hook=mark_hook(logged),
                    budget=budget,
                )
            )
            return renode_process.run(
                self._renode,
                directory,
                answer_bytes=answer_bytes,
                loops=loops,
                slices=list(slices(budget)),
                time_limit_s=self._time_limit_s,
                on_mark=on_mark,
            )
