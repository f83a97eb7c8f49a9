import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tinyprop.cli import ui
from tinyprop.errors import RequestError, TinypropError
from tinyprop.tracking import TrackingSettings, open_store

START = "import sys; from tinyprop.cli import ui; sys.exit(ui.run(sys.argv[1:]))"


def processes_with(marker: str) -> list[str]:
    """Process ids whose environment holds ``marker`` (read from /proc)."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (directory / "environ").read_bytes():
                found.append(directory.name)
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_server_answers_on_a_free_port_and_leaves_no_process(tmp_path, ending):
    store = open_store(TrackingSettings(), tmp_path)
    run = store.start_run("shown")
    run.log_text("seen", "note.txt")
    run.finish("FINISHED")
    marker = f"TINYPROP_TEST_MARKER={tmp_path}"
    process = subprocess.Popen(
        [sys.executable, "-c", START, "--runs-dir", str(tmp_path), "--port", "0"],
        env={**os.environ, "TINYPROP_TEST_MARKER": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+", line).group()
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/experiments/get-by-name?experiment_name=tinyprop", headers={"Accept": "*/*"}
    )
    answer = json.load(urllib.request.urlopen(request, timeout=30))
    assert answer["experiment"]["artifact_location"] == (tmp_path / "mlartifacts").as_uri()
    artifact = f"{address}/get-artifact?path=note.txt&run_uuid={run.run_id}"
    assert urllib.request.urlopen(artifact, timeout=30).read() == b"seen"
    assert len(processes_with(marker)) > 1

    process.send_signal(ending)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors.strip() == "stopped"
    deadline = time.monotonic() + 5
    while processes_with(marker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_with(marker) == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(request, timeout=5)


def test_a_taken_port_is_one_error_that_names_port_and_option(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(TinypropError, match=rf"port {port} .* --port"):
            ui.run(["--runs-dir", str(tmp_path), "--port", str(port)])
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_is_not_made_up(tmp_path):
    with pytest.raises(TinypropError, match=r"no runs to show; `tinyprop train` makes some"):
        ui.run(["--runs-dir", str(tmp_path / "runs"), "--port", "0"])
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_uri_is_a_wrong_request(tmp_path):
    with pytest.raises(RequestError, match="--uri: 'mlruns' is no tracking URI"):
        ui.run(["--runs-dir", str(tmp_path), "--uri", "mlruns"])


def test_a_server_elsewhere_is_only_named(capsys):
    assert ui.run(["--uri", "http://example.org:5000"]) == 0
    assert "http://example.org:5000" in capsys.readouterr().out


def test_help_ends_in_examples_and_a_wrong_port_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        ui.run(["--help"])
    assert end.value.code == 0
    assert "tinyprop ui --port 0 --open" in capsys.readouterr().out.split("examples:")[1]
    with pytest.raises(SystemExit) as end:
        ui.run(["--port", "70000"])
    assert end.value.code == 2
    assert "0 to 65535" in capsys.readouterr().err
