"""A headless Chromium and the few calls of its DevTools protocol that the tests need.

It is spoken to over two pipes, each message ended by a zero byte, so that no port is opened.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parents[1] / "android_demo" / ".browser"
_TIMEOUT_S = 60


class Browser:
    """One page of a browser, and every address that it asked for."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer = b""
        self._last = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._loaded = 0

    def attach(self) -> None:
        """Takes the first page, and listens to its requests and to what it complains of."""
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(one for one in targets if one["type"] == "page")
        found = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """A call's result; events that come meanwhile are noted."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": given}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self._note(answer)

    def open(
        self, place: Path | str, width_px: int, *, dark: bool = False, media: str = ""
    ) -> None:
        """Loads a file or an address in a window of that width, with its scripts run."""
        self.requests.clear()
        self.complaints.clear()
        self.resize(width_px, dark=dark, media=media)
        loaded = self._loaded
        address = place if isinstance(place, str) else place.absolute().as_uri()
        self.call("Page.navigate", url=address)
        while self._loaded == loaded:
            self._note(self._read())

    def resize(self, width_px: int, *, dark: bool = False, media: str = "") -> None:
        """The window at another width, or the page in dark or on paper."""
        narrow = width_px < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": narrow},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def choose(self, selector: str, path: Path) -> None:
        """A file for an input, as its dialog would give it."""
        found = self.call("Runtime.evaluate", expression=f"document.querySelector({selector!r})")
        self.call("DOM.setFileInputFiles", files=[str(path)], objectId=found["result"]["objectId"])

    def press(self, key: str, code: int) -> None:
        """A key, down and up."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """The mouse, pressed at one place of the window and released at another."""
        for kind, (x, y) in (("Pressed", start), ("Moved", end), ("Released", end)):
            self.call(
                "Input.dispatchMouseEvent",
                **{"type": f"mouse{kind}", "x": x, "y": y, "button": "left", "clickCount": 1},
            )

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(found["data"]))

    def pdf(self) -> bytes:
        """The page printed, on the paper that it asks for."""
        found = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(found["data"])

    def _note(self, event: dict[str, Any]) -> None:
        given = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(given["request"]["url"])
            case "Page.loadEventFired":
                self._loaded += 1
            case "Log.entryAdded":
                self.complaints.append(given["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(given["exceptionDetails"]))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            more = os.read(self._answers, 1 << 20)
            assert more, "the browser ended"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))


def need(name: str) -> Path:
    """A file that the installer must have made."""
    path = TOOLS / name
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: run `python3 android_demo/tools/install_browser.py`"
        )
    return path


def serious(chromium: Browser) -> list[list[str]]:
    """What axe finds in the page that keeps people from it: the rule, and up to three places."""
    chromium.run(need("axe.min.js").read_text() + ";0")
    script = """axe.run(document, {resultTypes: ['violations']}).then((all) => all.violations
      .filter((one) => ['serious', 'critical'].includes(one.impact))
      .map((one) => [one.id, ...one.nodes.slice(0, 3).map((node) => node.html)]))"""
    return list(chromium.run(script))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, ended with the block."""
    program, fonts = need("chromium/chromium-headless-shell"), need("fonts.conf")
    need("installed")
    ours, theirs = os.pipe(), os.pipe()
    words = ["--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    words += ["--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile}"]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(TOOLS / "lib"),
        "FONTCONFIG_FILE": str(fonts),
        "XDG_CACHE_HOME": str(profile),
        "HOME": str(profile),
    }
    # The browser reads from 3 and writes to 4; the pipes' own numbers may be one of them.
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (ours[0], theirs[1])]
    shell = f'exec "$0" "$@" 3<&{ends[0]} 4>&{ends[1]}'
    process = subprocess.Popen(
        ["bash", "-c", shell, str(program), *words, "about:blank"],
        env=environment,
        pass_fds=ends,
        stderr=subprocess.DEVNULL,
    )
    for end in (ours[0], theirs[1], *ends):
        os.close(end)
    try:
        page = Browser(ours[1], theirs[0])
        page.attach()
        yield page
    finally:
        process.terminate()
        process.wait(_TIMEOUT_S)
        for end in (ours[1], theirs[0]):
            os.close(end)
