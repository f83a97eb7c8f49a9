"""The engine under the address and undefined-behaviour sanitizers, on random networks and on damaged descriptions.

fuzz/target.c is also a target for libFuzzer; fuzz/driver.c stands in for libFuzzer here.
"""

import subprocess
from pathlib import Path

import pytest

from tinyprop.engine import compile

FUZZ = Path(__file__).parent / "fuzz"
FLAGS = (
    *("-std=gnu11", "-g", "-O1", "-ffp-contract=off", "-fno-math-errno", "-DTP_HOST", "-DTP_OBSERVED"),
    *("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all", f"-I{compile.SOURCES}"),
)
NETWORKS, DAMAGED_EACH = 1500, 8


@pytest.fixture(scope="module")
def compiler(tmp_path_factory) -> list[str]:
    """A compiler with sanitizers."""
    try:
        command = compile.find_compiler()
    except compile.CompileError as missing:
        pytest.skip(str(missing))
    empty = tmp_path_factory.mktemp("empty") / "empty.c"
    empty.write_text("int main(void) { return 0; }\n")
    linked = subprocess.run([*command, *FLAGS, empty, "-o", empty.with_suffix("")], capture_output=True, text=True)
    if linked.returncode != 0:
        pytest.skip(f"{' '.join(command)} has no sanitizers: {linked.stderr.strip()}")
    return command


@pytest.mark.parametrize("kernels", [[], ["-DTP_PLAIN"]], ids=["vector", "plain"])
def test_networks_train_and_damaged_descriptions_do_no_harm(kernels, compiler, tmp_path):
    """Every network in exactly the memory that it asks for; the driver fails where the engine contradicts itself."""
    sources = [*sorted(FUZZ.glob("*.c")), *sorted(compile.SOURCES.rglob("*.c"))]
    program = tmp_path / "driver"
    built = subprocess.run(
        [*compiler, *FLAGS, *kernels, *sources, "-o", program],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([program, "1", str(NETWORKS), str(DAMAGED_EACH)], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    trained, damaged_trained, refused = map(int, ran.stdout.split())
    assert trained == NETWORKS
    assert damaged_trained + refused == NETWORKS * DAMAGED_EACH
    assert refused > damaged_trained > NETWORKS, "damage is seen, and not all of it matters"
