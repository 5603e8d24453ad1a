"""The entry point in processes of its own: Ctrl-C at any moment, missing packages, closed streams,
ASCII."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAIN = [sys.executable, "-m", "iast_export"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

# Runs the command line as it is where some modules are not installed.
WITHOUT = """
import sys
missing = sys.argv[1]
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
from iast_export.__main__ import main
sys.argv = ["iast-export", *sys.argv[2:]]
main()
"""
# Sends itself SIGINT when the first module of click is looked for, in the middle of the imports. A
# shell's background jobs inherit a SIGINT that is ignored, so the handler of a terminal's process
# is set first.
INTERRUPTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from iast_export.__main__ import main
main()
"""


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command, text=True, **{"env": ENVIRONMENT, "capture_output": True, **options}
    )


def test_it_runs_as_a_module() -> None:
    done = run([*MAIN, "--version"])
    assert done.returncode == 0 and "iast-export, version" in done.stdout


@pytest.mark.parametrize(("given", "found"), [(None, "1"), ("3", "3")])
def test_numpy_has_one_thread_of_its_own_unless_told_otherwise(
    given: str | None, found: str
) -> None:
    told = {name: value for name, value in ENVIRONMENT.items() if name != "OPENBLAS_NUM_THREADS"}
    told |= {"OPENBLAS_NUM_THREADS": given} if given else {}
    code = (
        "import atexit, os, sys; from iast_export.__main__ import main; "
        "atexit.register(lambda: print(os.environ['OPENBLAS_NUM_THREADS'])); "
        "sys.argv = ['iast-export', '--version']; main()"
    )
    done = run([sys.executable, "-c", code], env=told)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == found


def test_garbage_is_looked_for_less_often_than_python_does() -> None:
    code = (
        "import atexit, gc, sys; from iast_export.__main__ import main; "
        "atexit.register(lambda: print(gc.get_threshold())); "
        "sys.argv = ['iast-export', '--version']; main()"
    )
    done = run([sys.executable, "-c", code])
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "(50000, 20, 20)"


def test_an_interrupt_while_modules_load_ends_it_by_the_signal_and_without_a_word() -> None:
    done = run([sys.executable, "-c", INTERRUPTED])
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize(
    ("module", "verb"), [("rich", "doctor"), ("click", "doctor"), ("torch", "plan")]
)
def test_a_package_that_is_missing_is_named(module: str, verb: str) -> None:
    done = run([sys.executable, "-c", WITHOUT, module, verb])
    assert done.returncode == 2
    assert f"error: {module} is not installed" in done.stderr and "iast-export" in done.stderr


def test_an_ascii_terminal_gets_ascii_and_the_exit_code_stays() -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run(
        [*MAIN, "gate", os.fsdecode("größe-[red]".encode()) + "\udce9"],
        env={**ENVIRONMENT, **plain},
    )
    assert done.returncode == 3
    assert (
        done.stderr.isascii()
        and "[red]\\xe9 is not a bundle" in done.stderr
        and "->" in done.stderr
    )


def test_a_table_in_ascii_has_an_ascii_frame() -> None:
    done = run([*MAIN, "doctor"], env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and done.stdout.isascii() and "+---" in done.stdout


def test_closed_and_full_outputs_are_sane() -> None:
    with open("/dev/full", "w") as full:
        done = run([*MAIN, "doctor"], capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3 and "could not be written: No space left" in done.stderr
    reader, writer = os.pipe()
    os.close(reader)
    for verb in ("doctor", "--help"):
        done = run([*MAIN, verb], capture_output=False, stdout=writer, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, ""), verb
    os.close(writer)
    closed = f"exec {sys.executable} -m iast_export doctor >&- 2>&-"
    assert run(["sh", "-c", closed]).returncode == 0
