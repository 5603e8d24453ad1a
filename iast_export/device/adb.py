"""Runs the Android demo's self-test or benchmark over adb and fetches the result."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from iast_export.bundle.claims import made_files
from iast_export.device.importing import import_result
from iast_export.errors import InputError, ToolError, UsageError
from iast_export.files.artifacts import Progress, no_progress, read_bytes, write_atomic
from iast_export.files.paths import check_not_overwriting

PACKAGE = "org.iastexport.demo"
REMOTE = f"/sdcard/Android/data/{PACKAGE}/files"
RunKind = Literal["selftest", "benchmark"]
# Between looks for the result; chosen.
_POLL_S = 2.0
_CALL_S = 120.0  # the longest that a single call may take, however long the whole may
_MASK = re.compile(r"(0x)?[0-9a-fA-F]{1,64}")
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:()\-]{0,127}")


@dataclass(frozen=True)
class BenchOptions:
    """What to run and how long to wait.

    Attributes:
        kind: "selftest" or "benchmark".
        serial: of the phone, where several are connected.
        core_mask: hexadecimal, such as "f0": the cores that the app may use, by `taskset` on the
            phone.
        samples: timed runs per lane and tier; a 90th percentile needs 29.
        accelerators, precisions, files: what to run of it; none: everything.
        timeout_s: for everything: no call of adb waits beyond it.
        poll_s: how often to look for it.
    """

    kind: RunKind = "benchmark"
    serial: str | None = None
    core_mask: str | None = None
    samples: int = 30
    accelerators: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    timeout_s: float = 1800.0
    poll_s: float = _POLL_S


class SilentToolError(ToolError):
    """adb did not answer in time: nothing is known, which is not a no."""


class Adb:
    """One phone behind `adb`, until a deadline: no call waits beyond it.

    Args:
        serial: of the phone; None: the only one.
        deadline_s: on the monotonic clock.

    Raises:
        ToolError: adb is not installed or doesn't answer, or no single phone is ready.
        UsageError: no such phone, or several and no choice.
    """

    def __init__(self, serial: str | None, deadline_s: float) -> None:
        found = shutil.which("adb")
        if found is None:
            raise ToolError(
                "adb is not installed", "install Android's platform tools and put adb on PATH"
            )
        self._command = [found]
        self._deadline_s = deadline_s
        self.serial = self._choose(serial)
        self._command += ["-s", self.serial]

    def run(self, *arguments: str) -> str:
        """What adb printed; bytes that are no UTF-8 become U+FFFD.

        Raises:
            ToolError: it failed, or did not answer in time.
        """
        what = f"adb {' '.join(arguments)}"
        code, said, complained = self._call([*self._command, *arguments], what)
        if code:
            words = (complained or said).strip()
            raise ToolError(f"{what} failed: {words}", "check the cable and the phone's screen")
        return said

    def _call(self, command: list[str], what: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr; what hangs is ended with all that it started."""
        left_s = self._deadline_s - time.monotonic()
        remedy = "check the cable, run `adb kill-server`, or give more time with --timeout-s"
        if left_s <= 0:
            raise SilentToolError(f"no time is left for {what}", remedy)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolError(
                f"{what} can't be run: {error.strerror}", "install adb again"
            ) from error
        try:
            said, complained = process.communicate(timeout=min(left_s, _CALL_S))
        except subprocess.TimeoutExpired as error:
            raise SilentToolError(
                f"{what} did not answer in {min(left_s, _CALL_S):.0f} s", remedy
            ) from error
        finally:
            _end(process)
        return process.returncode, _text(said), _text(complained)

    def shell(self, *words: str) -> str:
        """What a command on the phone printed."""
        return self.run("shell", *words)

    def _choose(self, serial: str | None) -> str:
        lines = self.run("devices").splitlines()
        head = next((i for i, line in enumerate(lines) if line.startswith("List of devices")), 0)
        rows = [line.split() for line in lines[head + 1 :] if line.strip()]
        states = {row[0]: row[1] for row in rows if len(row) >= 2 and _SERIAL.fullmatch(row[0])}
        if not states:
            raise ToolError(
                "no phone is connected", "connect one and allow USB debugging in its settings"
            )
        if serial is None and len(states) > 1:
            raise UsageError(
                f"{len(states)} phones are connected: {', '.join(states)}", "name one with --serial"
            )
        chosen = next(iter(states)) if serial is None else serial
        if chosen not in states:
            raise UsageError(
                f"no phone {chosen} among {', '.join(states)}", "name one of these with --serial"
            )
        if states[chosen] != "device":
            remedy = "unlock the phone and confirm this computer"
            raise ToolError(f"the phone {chosen} is {states[chosen]}", remedy)
        return chosen


def bench(
    folder: Path, options: BenchOptions, out: Path | None = None, progress: Progress = no_progress
) -> Path:
    """Runs the app on a phone, fetches its result and adds it to the bundle in `folder`.

    The app must be installed and carry this bundle. Screen, battery and thermal state are recorded
    before and after, as the phone's `dumpsys` tells them.

    Args:
        folder: the bundle.
        options: what to run.
        out: a second place for the phone's own file.

    Returns:
        Where the result lies in the bundle.

    Raises:
        UsageError: several phones and no choice, or a core mask that is no hexadecimal number.
        ToolError: adb or the phone failed, the app is not installed, or the result did not come in
            time.
        InputError: the result is not valid, or of another bundle.
        AccuracyError: a self-test did not pass.
    """
    _check_options(options)
    if out is not None:
        check_not_overwriting([out], made_files(folder))
    deadline_s = time.monotonic() + options.timeout_s
    phone = Adb(options.serial, deadline_s)
    if not _answers(phone, "pm", "path", PACKAGE):
        raise ToolError(
            f"the app {PACKAGE} is not on the phone",
            "build it with this bundle (android_demo/README.md) and run `adb install "
            "app-debug.apk`",
        )
    remote = f"{REMOTE}/{options.kind}.json"
    phone.shell("rm", "-f", remote)
    phone.shell("am", "force-stop", PACKAGE)
    before = observe(phone)
    action = f"{PACKAGE}.{options.kind.upper()}"
    phone.shell(
        *("am", "start", "-W", "-n", f"{PACKAGE}/.ChecksActivity", "-a", action),
        *("--ei", "samples", str(options.samples)),
        *_chosen(options),
    )
    if options.core_mask is not None:
        _confine(phone, options.core_mask)
    _wait(phone, remote, options, deadline_s, progress)
    host = {"before": before, "after": observe(phone), "core_mask": options.core_mask}
    with tempfile.TemporaryDirectory() as aside:
        local = Path(aside) / f"{options.kind}.json"
        phone.run("pull", remote, str(local))
        if not local.is_file():
            raise ToolError(
                f"adb pulled no file from {remote}",
                "pull it by hand, then `iast-export device import`",
            )
        if out is not None:
            write_atomic(out, read_bytes(local))
        return import_result(local, folder, host)


def _chosen(options: BenchOptions) -> list[str]:
    """What to run, as extras of the app's intent."""
    asked = {name: getattr(options, name) for name in ("accelerators", "precisions", "files")}
    return [w for name, given in asked.items() if given for w in ("--es", name, ",".join(given))]


def _check_options(options: BenchOptions) -> None:
    mask, serial = options.core_mask, options.serial
    if mask is not None and not (_MASK.fullmatch(mask) and int(mask, 16)):
        raise UsageError(
            f"--core-mask {mask!r} names no core",
            "give hexadecimal bits, such as f0 for cores 4 to 7",
        )
    if serial is not None and not _SERIAL.fullmatch(serial):
        raise UsageError(f"--serial {serial!r} is no serial number", "take one from `adb devices`")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that still runs, with its children; a server of adb is its own."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _answers(phone: Adb, *words: str) -> str:
    """What a command on the phone printed; empty where it failed, as `pm path` may.

    Raises:
        ToolError: adb did not answer in time.
    """
    try:
        return phone.shell(*words).strip()
    except SilentToolError:
        raise
    except ToolError:
        return ""


def _confine(phone: Adb, mask: str) -> None:
    pid = _answers(phone, "pidof", PACKAGE)
    if not (pid.isascii() and pid.isdigit()):
        raise ToolError("the app ended at once", "start it by hand and read what it says")
    said = phone.shell("taskset", "-ap", mask, pid)
    if "failed" in said.lower():
        raise ToolError(
            f"the phone refuses the core mask {mask}: {said.strip()}", "leave --core-mask out"
        )


def _wait(
    phone: Adb, remote: str, options: BenchOptions, deadline_s: float, progress: Progress
) -> None:
    started = time.monotonic()
    limit = int(options.timeout_s)
    while not _answers(phone, "ls", remote):
        waited = time.monotonic() - started
        if time.monotonic() + options.poll_s > deadline_s:
            raise ToolError(
                f"no result after {limit} s",
                "keep the screen on, or give more time with --timeout-s",
            )
        if not _answers(phone, "pidof", PACKAGE):
            raise ToolError(
                "the app ended without a result", "start it by hand and read what it says"
            )
        progress(f"{options.kind} on {phone.serial}", int(waited), limit)
        time.sleep(options.poll_s)
    progress(f"{options.kind} on {phone.serial}", limit, limit)


def observe(phone: Adb) -> dict[str, Any]:
    """Screen, battery and thermal state of a phone; None where it doesn't say."""
    battery = _fields(_answers(phone, "dumpsys", "battery"))
    thermal = _fields(_answers(phone, "dumpsys", "thermalservice"))
    power = _fields(_answers(phone, "dumpsys", "power"), "=")
    awake = power.get("mWakefulness")
    return {
        "screen_on": None if awake is None else awake == "Awake",
        "battery_percent": _number(battery.get("level"), int),
        "battery_celsius": _number(battery.get("temperature"), lambda text: int(text) / 10),
        "thermal_status": _number(thermal.get("Thermal Status"), int),
    }


def _fields(text: str, separator: str = ":") -> dict[str, str]:
    """`name: value` lines; the first of each name counts."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, mark, value = line.strip().partition(separator)
        if mark:
            found.setdefault(name.strip(), value.strip())
    return found


def _number(text: str | None, read: Callable[[str], Any]) -> Any:
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise InputError(
            f"the phone reports {text!r} where a number was expected", "report this"
        ) from error
