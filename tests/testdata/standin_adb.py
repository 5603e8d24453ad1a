#!/usr/bin/env python3
"""A STAND-IN for adb, not Android's: it plays one phone from the folder in STANDIN_PHONE.

devices: lines of `serial state`. app: there when the app is installed. results/*.json: what the app
writes.
slow: number of looks before a result appears. log: every command, one per line.
hangs: words of a command that never returns, nor does a child that holds its output.
odd: bytes to print first. battery: other words of `dumpsys battery`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

phone = Path(os.environ["STANDIN_PHONE"])
words = sys.argv[1:]
with (phone / "log").open("a") as log:
    log.write(" ".join(words) + "\n")
if (phone / "odd").exists():
    sys.stdout.buffer.write((phone / "odd").read_bytes())
    sys.stdout.flush()
if (phone / "hangs").exists() and (phone / "hangs").read_text() in " ".join(words):
    child = subprocess.Popen(["sleep", "600"])
    (phone / "child").write_text(str(child.pid))
    child.wait()
if words[:1] == ["devices"]:
    print("List of devices attached (stand-in adb)")
    print((phone / "devices").read_text().replace(" ", "\t"))
    sys.exit()
if words[0] != "-s":
    sys.exit("stand-in adb: no serial")
words = words[2:]
if words[0] == "pull":
    shutil.copyfile(phone / "sdcard" / Path(words[1]).name, words[2])
    sys.exit()
command = words[1:]
if command[0] == "pm":
    if not (phone / "app").exists():
        sys.exit(1)
    print("package:/data/app/base.apk")
elif command[0] == "rm":
    (phone / "sdcard" / Path(command[2]).name).unlink(missing_ok=True)
elif command[:2] == ["am", "start"]:
    (phone / "running").write_text(command[command.index("-a") + 1].rsplit(".", 1)[1].lower())
elif command[0] == "pidof":
    if not (phone / "running").exists() or (phone / "crashes").exists():
        sys.exit(1)
    print(4711)
elif command[0] == "taskset":
    print(
        "taskset: failed to set"
        if (phone / "no-taskset").exists()
        else "pid 4711's new affinity mask: f0"
    )
elif command[0] == "ls":
    left = int((phone / "slow").read_text()) if (phone / "slow").exists() else 0
    (phone / "slow").write_text(str(left - 1))
    name = Path(command[1]).name
    if left > 0 or not (phone / "results" / name).exists():
        sys.exit(1)
    shutil.copyfile(phone / "results" / name, phone / "sdcard" / name)
    print(command[1])
elif command[:2] == ["dumpsys", "battery"]:
    level = (phone / "battery").read_text() if (phone / "battery").exists() else "81"
    print(
        f"Current Battery Service state:\n  AC powered: false\n  level: {level}\n  temperature: 304"
    )
elif command[:2] == ["dumpsys", "thermalservice"]:
    print("IsStatusOverride: false\nThermal Status: 1")
elif command[:2] == ["dumpsys", "power"]:
    print("POWER MANAGER (dumpsys power)\n  mWakefulness=Awake\n  mWakefulnessChanging=false")
