"""The gate inside pytest: a test item per check of a bundle, and fixtures that open the bundle.

    pytest --iast-bundle DIR --iast-rules FILE --iast-baseline FILE

Nothing but pytest is imported, and no hook that runs per test is registered, where --iast-bundle is
not given.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from iast_export.library import Bundle
    from iast_export.pictures.images import Rgb
    from iast_export.reports.verdict import Check, Verdict

_OPTIONS = {
    "--iast-bundle": ("DIR", "judge this bundle: a test per check of `iast-export gate`"),
    "--iast-rules": ("FILE", "TOML of limits for --iast-bundle  [default: the packaged ones]"),
    "--iast-baseline": (
        "FILE",
        "accepted figures, made by `iast-export gate DIR --write-baseline`",
    ),
}
_NODE = "iast-gate"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Three options, as text: pytest-xdist sends them to its workers."""
    group = parser.getgroup("iast-export")
    for name, (metavar, text) in _OPTIONS.items():
        group.addoption(name, metavar=metavar, default=None, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Adds the gate to this run where a bundle is given.

    Raises:
        pytest.UsageError: rules or a baseline without a bundle.
    """
    config.addinivalue_line("markers", "iast_gate: a check of the bundle given with --iast-bundle")
    if _given(config, "--iast-bundle") is not None:
        config.pluginmanager.register(_GateRun(), "iast_export.gate_run")
        return
    for name in ("--iast-rules", "--iast-baseline"):
        if _given(config, name) is not None:
            raise pytest.UsageError(f"{name} needs a bundle\n  → add --iast-bundle DIR")


def _given(config: pytest.Config, option: str) -> Path | None:
    """The path given with an option, from the folder that pytest was started in; None: not given.

    Raises:
        pytest.UsageError: an empty path, which Python takes for the current folder.
    """
    text = config.getoption(option)
    if text is None:
        return None
    if not text.strip() or "\0" in text:
        raise pytest.UsageError(f"{option}: a path is needed, found an empty one or a zero byte")
    return Path(config.invocation_params.dir, text)


# --- checks as test items ------------------------------------------------------------------------


class _GateRun:
    """Adds the gate's checks behind what pytest collects itself, and its notes to the summary."""

    def __init__(self) -> None:
        self.verdict: Verdict | None = None

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, None]:
        outcome = yield
        if isinstance(collector, pytest.Session):
            report = outcome.get_result()
            if report.passed:
                gate = GateCollector.from_parent(collector, name=_NODE, nodeid=_NODE)
                gate.run = self
                report.result = [*report.result, gate]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.verdict is not None:
            terminalreporter.section("iast-export gate")
            for note in self.verdict.notes:
                terminalreporter.write_line(f"note: {note}")
            terminalreporter.write_line(f"{self.verdict.bundle}: {self.verdict.headline}")


class GateCollector(pytest.Collector):
    """All checks of one bundle."""

    run: _GateRun

    def collect(self) -> Iterable[pytest.Item]:
        """An item per check, in the gate's order.

        Raises:
            CollectError: the bundle, the rules or the baseline can't be used; with what to do.
        """
        from iast_export.errors import IastExportError
        from iast_export.gate import gate

        bundle, rules, baseline = (_given(self.config, name) for name in _OPTIONS)
        assert bundle is not None
        try:
            verdict = gate(bundle, baseline, rules)
        except IastExportError as error:
            raise self.CollectError(str(error)) from error
        self.run.verdict = verdict
        if not verdict.checks:
            raise self.CollectError(f"{bundle}: the gate made no check")
        return [self._item(name, check) for name, check in _named(verdict.checks)]

    def _item(self, name: str, check: Check) -> GateItem:
        item = GateItem.from_parent(self, name=name)
        item.check = check
        item.add_marker("iast_gate")
        item.user_properties += [("measured", check.measured), ("rule", check.rule)]
        return item


class GateItem(pytest.Item):
    """One check; it fails where the check did, and where it could not be judged."""

    check: Check

    def runtest(self) -> None:
        """Fails with the measured value, the rule and the remedy."""
        if self.check.outcome != "pass":
            pytest.fail(_told(self.check), pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """The bundle, and a headline that no node id ends with: pytest writes `::` for its dots."""
        return Path(self.config.getoption("--iast-bundle")), None, f"gate: {self.name}"


def _named(checks: Iterable[Check]) -> Iterator[tuple[str, Check]]:
    """Each check with a name of its own: a second one of a name gets a number."""
    from iast_export.files.texts import visible

    seen: dict[str, int] = {}
    for check in checks:
        name = visible(check.name)
        count = seen[name] = seen.get(name, 0) + 1
        yield (name if count == 1 else f"{name} ({count})"), check


def _told(check: Check) -> str:
    from iast_export.files.texts import visible

    word = check.outcome if check.outcome == "cannot judge" else check.kind
    text = f"{word} (exit {check.exit_code}): measured {check.measured}, needed {check.rule}"
    lines = [text, f"  → {check.remedy}"] if check.remedy else [text]
    return "\n".join(visible(line) for line in lines)


# --- fixtures ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def iast_bundle(pytestconfig: pytest.Config) -> Bundle:
    """The bundle given with --iast-bundle, a `library.Bundle`; without one a test fails."""
    path = _given(pytestconfig, "--iast-bundle")
    if path is None:
        pytest.fail("this test needs a bundle\n  → add --iast-bundle DIR", pytrace=False)
    from iast_export.errors import IastExportError
    from iast_export.library import Bundle

    bundle = Bundle(path)
    try:
        _ = bundle.manifest
    except IastExportError as error:
        pytest.fail(str(error), pytrace=False)
    return bundle


@pytest.fixture(scope="session")
def stylize(iast_bundle: Bundle) -> Callable[..., Rgb]:
    """Pictures from the bundle: `stylize("photo.jpg", "cafe")`, see `library.Bundle.stylize`."""
    return iast_bundle.stylize
