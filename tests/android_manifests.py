"""What libraries add to an app's manifest, and an imitation of the merger that adds it."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from tests import android_tools as tools

ANDROID = "{http://schemas.android.com/apk/res/android}"
TOOLS = "{http://schemas.android.com/tools}"
PERMISSION = "android.permission."


@dataclass(frozen=True)
class Library:
    """The elements that a library's manifest brings, as its public sources have them."""

    source: str
    permissions: tuple[str, ...] = ()
    components: tuple[tuple[str, str], ...] = ()


LIBRARIES = (
    Library(
        "microsoft/onnxruntime, java/src/main/android-telemetry/AndroidManifest.xml (1.29)",
        (f"{PERMISSION}INTERNET", f"{PERMISSION}ACCESS_NETWORK_STATE"),
        (("provider", "ai.onnxruntime.TelemetryInitializer"),),
    ),
    Library(
        "google-ai-edge/LiteRT, litert/kotlin/src/main/AndroidManifest.xml (v2.1.4 to v2.2.0)",
        (f"{PERMISSION}FOREGROUND_SERVICE", f"{PERMISSION}FOREGROUND_SERVICE_DATA_SYNC"),
    ),
)


def apps_own() -> ET.Element:
    return ET.parse(tools.MANIFEST).getroot()


def _child(parent: ET.Element, tag: str, name: str) -> ET.Element | None:
    return next((item for item in parent.findall(tag) if item.get(f"{ANDROID}name") == name), None)


def _add(parent: ET.Element, tag: str, name: str) -> None:
    if _child(parent, tag, name) is None:
        ET.SubElement(parent, tag, {f"{ANDROID}name": name})


def merged(app: ET.Element, libraries: tuple[Library, ...] = LIBRARIES) -> ET.Element:
    """As Android's merger does it: by kind and name, and what the app removes is left out."""
    root = copy.deepcopy(app)
    application = root.find("application")
    assert application is not None
    for library in libraries:
        for name in library.permissions:
            _add(root, "uses-permission", name)
        for tag, name in library.components:
            _add(application, tag, name)
    for parent in (root, application):
        for item in list(parent):
            if item.get(f"{TOOLS}node") == "remove":
                parent.remove(item)
    return root


def names(root: ET.Element, *tags: str) -> set[str]:
    """The names of all elements of these kinds."""
    return {str(item.get(f"{ANDROID}name")) for tag in tags for item in root.iter(tag)}
