"""`tinyprop ui`: MLflow's pages on the runs of a directory."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tinyprop.errors import InvalidSettings, RequestError, TinypropError

if TYPE_CHECKING:
    from tinyprop.tracking.settings import StoreLocation

SUMMARY = "look at the runs in MLflow, in the browser"

HOST = "127.0.0.1"
_START_LIMIT = 180.0
_STOP_LIMIT = 5.0
_SEARCH = "/api/2.0/mlflow/experiments/search"
_EXAMPLES = """examples:
  tinyprop ui                                 the runs in ./runs
  tinyprop ui --port 0 --open                 any free port, in the browser
  tinyprop ui --runs-dir /media/card/runs     runs that were made elsewhere
  tinyprop ui --uri sqlite:////srv/mlflow.db  another MLflow database"""


def run(argv: list[str]) -> int:
    """Run `tinyprop ui` with the arguments after ``ui`` until it is interrupted.

    Returns:
        0 after Ctrl-C.

    Raises:
        TinypropError: no runs there, a port that is taken, a server that does not start.
    """
    arguments = _parser().parse_args(argv)
    location = _location(arguments.uri, Path(arguments.runs_dir))
    if location.artifacts is None:
        print(f"{location.uri} is a server already: open it in the browser")
        if arguments.open:
            _open(location.uri)
        return 0
    port = _free_port(arguments.port)
    _prepare(location)
    with _signals_as_interrupt(), tempfile.TemporaryFile() as log:
        try:
            _serve(location, port, log, arguments.open)
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinyprop ui",
        description="Start MLflow on the runs of a directory, reachable from this machine only;\nCtrl-C ends it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs-dir", default="runs", help="directory of the runs (default: %(default)s)")
    parser.add_argument("--uri", help="MLflow tracking URI instead of RUNS_DIR/mlflow.db")
    parser.add_argument("--port", type=_port, default=5000, help="port, 0 for any free one (default: %(default)s)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser once it is there")
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 0 to 65535")


def _location(uri: str | None, runs_dir: Path) -> StoreLocation:
    from tinyprop.tracking.settings import TrackingSettings, locate

    try:
        return locate(TrackingSettings(uri=uri).uri, runs_dir)
    except InvalidSettings as error:
        raise RequestError(f"--{error}") from None


def _prepare(location: StoreLocation) -> None:
    """Create an empty database in a directory of runs that has none; refuse to make up the directory itself."""
    from tinyprop.report.progress import console_progress
    from tinyprop.tracking.database import create_database, prepare

    if location.database is None:
        prepare(location)
        return
    directory = location.database.parent
    if not directory.is_dir():
        raise TinypropError(
            f"{directory}: no such directory, so there are no runs to show; `tinyprop train` makes some in ./runs, "
            "--runs-dir names another place"
        )
    with console_progress() as progress:
        if create_database(location.database, progress):
            print(f"no runs yet in {directory}; they appear as soon as one starts", file=sys.stderr)


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise TinypropError(
                f"port {port} on {HOST} is not free ({error.strerror}); choose another with --port, 0 takes any"
            ) from None
        return int(probe.getsockname()[1])


def _serve(location: StoreLocation, port: int, log: IO[bytes], open_browser: bool) -> None:
    """Run the server until it is interrupted; whatever happens, nothing of it is left behind."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": location.uri,  # not an argument: it may hold a password
        "MLFLOW_ARTIFACTS_DESTINATION": str(location.artifacts),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # spares seven processes that only serve language models
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONSAFEPATH": "1",  # a file named like a module in the working directory does no harm
    }
    server = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the whole group
    )
    try:
        address = f"http://{HOST}:{port}"
        _wait_until_ready(server, port, log)
        print(f"MLflow on {location.database or 'the given store'}: {address}  (Ctrl-C ends it)", flush=True)
        page = _page(address, port)
        if page != address:
            print(f"the runs: {page}", flush=True)
        if open_browser:
            _open(page)
        server.wait()
        raise TinypropError(f"MLflow's server ended by itself (status {server.returncode}):\n{_last_lines(log)}")
    finally:
        _end_group(server)


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    deadline = time.monotonic() + _START_LIMIT
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise TinypropError(f"MLflow's server did not start (status {server.returncode}):\n{_last_lines(log)}")
        if _answers(port):
            return
        time.sleep(0.1)
    raise TinypropError(f"MLflow's server did not answer within {_START_LIMIT:.0f} s:\n{_last_lines(log)}")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)  # no proxy, whatever the environment says
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _page(address: str, port: int) -> str:
    """The runs of the experiment that was used last; the server's own first page where there is none of ours."""
    from tinyprop.tracking import views

    query = f"{_SEARCH}?max_results=100&order_by=last_update_time%20DESC"
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", query)
        experiments = json.loads(connection.getresponse().read()).get("experiments", [])
    except (OSError, http.client.HTTPException, ValueError):
        return address  # runs can be seen without this
    finally:
        connection.close()
    for experiment in experiments:
        tags = {tag["key"] for tag in experiment.get("tags", [])}
        if views.view_tag(views.RUNS_VIEW) in tags:
            return views.address(address, experiment["experiment_id"])
    return address


def _end_group(server: subprocess.Popen[bytes]) -> None:
    """End the server with all processes that it started: politely, then for certain."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal_number)
        deadline = time.monotonic() + _STOP_LIMIT
        while time.monotonic() < deadline:
            server.poll()  # reaps it, so that the group can become empty
            try:
                os.killpg(server.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Treat a closed terminal and a polite kill like Ctrl-C, so that the server ends with this process."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _last_lines(log: IO[bytes], count: int = 15) -> str:
    log.seek(0)
    return "\n".join(log.read().decode(errors="replace").splitlines()[-count:])


def _open(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        print(f"no browser could be started; open {address} yourself", file=sys.stderr)
