"""Results of phones: taken in, refused, shown; and fetched over adb, played by a stand-in that
says so."""

from __future__ import annotations

import json
import os
import stat
import time
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from iast_export.cli.main import run
from iast_export.device import BenchOptions, bench, import_result
from iast_export.errors import AccuracyError, InputError, ToolError, UsageError
from iast_export.files.artifacts import json_bytes, sha256_file
from iast_export.pages import write_html
from iast_export.reports.device import DeviceResult, device_result_schema
from tests.gate_cases import make_bundle

STANDIN = Path(__file__).parents[1] / "testdata" / "standin_adb.py"
QUICK = {"timeout_s": 60.0, "poll_s": 0.01}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    return make_bundle(folder)


def result_of(bundle: Path, kind: str = "selftest", **changes: Any) -> dict[str, Any]:
    lane = {"runtime": "litert", "precision": "int8", "tier": "d2-256px", "accelerator": "cpu"}
    test = {"style": "ink", "status": "pass", "max_level_difference": 1, "differing_share": 0.001}
    times = {"threads": 4, "warmup_ms": [9.0], "samples_ms": [4.0, 5.0, 6.0]}
    slow = {**times, "samples_ms": [14.0, 15.0, 16.0]}
    result = {
        "schema_version": 1,
        "kind": kind,
        "created_by": "iast-demo 0.1.0",
        "created_at": "2026-11-20T12:00:00Z",
        "bundle": {"name": "small", "manifest_sha256": sha256_file(bundle / "manifest.json")},
        "device": {
            "manufacturer": "Maker",
            "model": "Phone <1>",
            "soc": None,
            "android_release": "16",
            "sdk_int": 36,
            "abi": "arm64-v8a",
            "cores": 8,
            "emulated": False,
        },
        "state": {
            "battery_percent": 80,
            "charging": False,
            "thermal_status": "none",
            "screen_on": True,
        },
        "selftest": [{**lane, **test, "tolerance_levels": 1, "message": ""}]
        if kind == "selftest"
        else [],
        "benchmark": [{**lane, **times}, {**lane, "precision": "fp32", **slow}]
        if kind == "benchmark"
        else [],
    }
    return {**result, **changes}


def write(path: Path, value: dict[str, Any]) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_the_schema_is_the_published_one() -> None:
    published = resources.files("iast_export") / "data" / "device_result.schema.json"
    assert published.read_bytes() == json_bytes(device_result_schema())


def test_a_self_test_is_added_and_shown_as_that_phones(bundle: Path, tmp_path: Path) -> None:
    path = import_result(write(tmp_path / "r.json", result_of(bundle)), bundle)
    assert path.name == "maker-phone-1-selftest-2026-11-20t12-00-00z.json"
    assert DeviceResult.load(path).selftest[0].status == "pass"
    page = (bundle / "reports" / "report.html").read_text()
    assert "On a phone: Maker Phone &lt;1&gt;" in page and "emulated" not in page
    assert import_result(tmp_path / "r.json", bundle) == path


def test_a_benchmark_gets_its_ratio_from_its_own_samples(bundle: Path, tmp_path: Path) -> None:
    import_result(write(tmp_path / "r.json", result_of(bundle, "benchmark")), bundle)
    assert "3.00×" in (bundle / "reports" / "report.html").read_text()
    alone = result_of(bundle, "benchmark", created_at="2026-11-20T13:00:00Z")
    alone["benchmark"] = alone["benchmark"][:1]
    before = (bundle / "reports" / "report.html").read_text().count("3.00×")
    import_result(write(tmp_path / "r.json", alone), bundle)
    assert (bundle / "reports" / "report.html").read_text().count("3.00×") == before


def newer(bundle: Path, kind: str, *rows: dict[str, Any]) -> dict[str, Any]:
    """A result as version 2 has it; each row with what it changes."""
    result = result_of(bundle, kind)
    (row, *_) = result[kind]
    added = {"asked": "cpu", "files": "tiers", "operators_on_accelerator": None}
    result["device"] |= {"soc": "Maker X1", "soc_maker": "Maker", "soc_model": "X1"}
    held = [{**row, **added, **one} for one in rows]
    return {**result, "schema_version": 2, "before": {**result["state"]}, kind: held}


def test_a_lane_may_be_asked_of_both_accelerators_and_of_both_kinds_of_files(
    bundle: Path, tmp_path: Path
) -> None:
    gpu = {"asked": "gpu", "accelerator": "gpu", "operators_on_accelerator": 184}
    refused = {"samples_ms": [], "warmup_ms": [], "accelerator": "none", "message": "no driver"}
    rows = ({}, gpu, {"precision": "fp32", "samples_ms": [15.0]}, {"files": "dispatch", **refused})
    result = newer(bundle, "benchmark", *({"message": "", **row} for row in rows))
    import_result(write(tmp_path / "r.json", result), bundle)
    page = (bundle / "reports" / "report.html").read_text()
    section = page.split("On a phone")[1]
    assert section.count("3.00×") == 2, "both to the CPU's FP32"
    assert "no driver" in page and "one file" in page and "thermal state none to none" in page
    twice = newer(bundle, "benchmark", {"message": ""}, {"message": ""})
    with pytest.raises(InputError, match="more than once"):
        import_result(write(tmp_path / "r.json", twice), bundle)
    silent = newer(bundle, "benchmark", {**refused, "message": ""})
    with pytest.raises(InputError, match="0 samples and the message ''"):
        import_result(write(tmp_path / "r.json", silent), bundle)


def test_a_gpu_that_does_not_open_is_told_and_one_that_draws_otherwise_fails(
    bundle: Path, tmp_path: Path
) -> None:
    nothing = {"status": "error", "max_level_difference": None, "differing_share": None}
    closed = {"asked": "gpu", "accelerator": "none", "message": "no OpenCL", **nothing}
    import_result(write(tmp_path / "r.json", newer(bundle, "selftest", {}, closed)), bundle)
    assert "no OpenCL" in (bundle / "reports" / "report.html").read_text()
    other = {"asked": "gpu", "status": "fail", "max_level_difference": 90}
    wrong = newer(bundle, "selftest", {}, other) | {"created_at": "2026-11-20T14:00:00Z"}
    with pytest.raises(AccuracyError, match="on the gpu: fail"):
        import_result(write(tmp_path / "r.json", wrong), bundle)


def test_times_of_an_emulated_device_are_never_shown(bundle: Path, tmp_path: Path) -> None:
    result = result_of(bundle, "benchmark")
    result["device"]["emulated"] = True
    path = import_result(write(tmp_path / "r.json", result), bundle)
    page = (bundle / "reports" / "report.html").read_text()
    assert "On an emulated device: Maker" in page and "not shown" in page
    assert ">5 ms<" not in page and DeviceResult.load(path).benchmark


def test_a_failed_self_test_is_kept_and_ends_with_exit_code_5(bundle: Path, tmp_path: Path) -> None:
    result = result_of(bundle)
    result["selftest"][0] |= {"status": "fail", "max_level_difference": 9}
    with pytest.raises(AccuracyError, match="1 of 1 self-tests did not pass"):
        import_result(write(tmp_path / "r.json", result), bundle)
    assert len(list((bundle / "reports" / "device").iterdir())) == 1
    assert 'class="bad">fail' in (bundle / "reports" / "report.html").read_text()
    assert run(["device", "import", str(tmp_path / "r.json"), "--bundle", str(bundle)]) == 5


def _row(**changes: Any) -> Any:
    return lambda result: result["selftest"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["bundle"].update(manifest_sha256="0" * 64), "build the app with this bundle"),
        (lambda r: r.update(schema_version=3), "schema_version 3"),
        (lambda r: r.update(selftest=[]), "holds nothing"),
        (lambda r: r.update(kind="benchmark"), "holds selftest"),
        (lambda r: r.update(created_at="yesterday"), "created_at"),
        (lambda r: r["device"].pop("model"), "device.model"),
        (lambda r: r.update(extra=1), "extra"),
        (lambda r: r["selftest"].append(r["selftest"][0]), "more than once"),
        (_row(status="pass", max_level_difference=3), "'fail'"),
        (_row(status="pass", max_level_difference=None), "'error'"),
        (_row(max_level_difference=300), "max_level_difference"),
        (_row(tier="d9-9px"), "doesn't have"),
        (_row(runtime="onnxruntime", precision="fp16"), "doesn't have"),
        (_row(runtime="coreml"), "runtime"),
        (_row(asked="npu"), "asked"),
    ],
)
def test_what_is_no_result_of_this_bundle_is_refused(
    bundle: Path, tmp_path: Path, change: Any, words: str
) -> None:
    result = result_of(bundle)
    change(result)
    with pytest.raises(InputError, match=words):
        import_result(write(tmp_path / "r.json", result), bundle)
    assert not (bundle / "reports" / "device").exists()


def test_not_a_number_and_no_json_are_refused(bundle: Path, tmp_path: Path) -> None:
    text = json.dumps(result_of(bundle, "benchmark")).replace("4.0", "NaN")
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputError):
        import_result(tmp_path / "r.json", bundle)
    (tmp_path / "r.json").write_text("{")
    assert run(["device", "import", str(tmp_path / "r.json"), "--bundle", str(bundle)]) == 3


def test_a_result_of_the_bundle_as_it_was_is_left_out_of_the_page(
    bundle: Path, tmp_path: Path
) -> None:
    path = import_result(write(tmp_path / "r.json", result_of(bundle)), bundle)
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text().replace("iast-export test", "iast-export other"))
    page = write_html(bundle).read_text()
    assert "On a phone" not in page
    assert (
        f"{path.relative_to(bundle).as_posix()}: the result is of a bundle whose manifest is"
        in page
    )


def test_another_result_of_the_same_second_is_not_overwritten(bundle: Path, tmp_path: Path) -> None:
    result = result_of(bundle)
    first = import_result(write(tmp_path / "r.json", result), bundle).read_bytes()
    result["selftest"][0]["max_level_difference"] = 0
    with pytest.raises(InputError, match="another result of the same phone"):
        import_result(write(tmp_path / "r.json", result), bundle)
    assert next((bundle / "reports" / "device").iterdir()).read_bytes() == first


@pytest.fixture
def phone(tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in's folder: one phone with the app, that will write both results."""
    folder, binaries = tmp_path / "phone", tmp_path / "bin"
    for place in (folder / "results", folder / "sdcard", binaries):
        place.mkdir(parents=True)
    (folder / "devices").write_text("PHONE1 device\n")
    (folder / "app").touch()
    for kind in ("selftest", "benchmark"):
        write(folder / "results" / f"{kind}.json", result_of(bundle, kind))
    adb = binaries / "adb"
    adb.write_bytes(STANDIN.read_bytes())
    adb.chmod(adb.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STANDIN_PHONE", str(folder))
    return folder


def test_a_benchmark_is_run_fetched_and_added_with_what_was_seen(
    phone: Path, bundle: Path, tmp_path: Path
) -> None:
    (phone / "slow").write_text("2")
    seen: list[int] = []
    options = BenchOptions(core_mask="f0", samples=31, **QUICK)
    path = bench(bundle, options, tmp_path / "own.json", lambda what, done, all_: seen.append(done))
    stored = DeviceResult.load(path)
    assert stored.host is not None and stored.host.core_mask == "f0"
    assert stored.host.before.battery_celsius == 30.4 and stored.host.after.thermal_status == 1
    assert stored.host.before.screen_on is True
    assert DeviceResult.load(tmp_path / "own.json").host is None and seen
    log = (phone / "log").read_text()
    assert (
        "-a org.iastexport.demo.BENCHMARK --ei samples 31" in log and "taskset -ap f0 4711" in log
    )
    assert log.index("rm -f") < log.index("am start") < log.index("pull")


def test_the_self_test_over_the_command_line(
    phone: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["device", "bench", str(bundle), "--selftest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "selftest"


def _alter(name: str, text: str | None) -> Any:
    def change(phone: Path) -> None:
        if text is None:
            (phone / name).unlink()
        else:
            (phone / name).write_text(text)

    return change


MASKS = ("big", "-1", "f0\n", " f0", "", "0x", "0x0", "1_0", "٣", "f0;reboot", "f" * 65)
SERIALS = ("", "-s", "A\n", "a b", "../x", "é", "x" * 200)


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        (_alter("devices", ""), {}, ToolError, "allow USB debugging"),
        (_alter("devices", "A device\nB device\n"), {}, UsageError, "--serial"),
        (_alter("devices", "A device\n"), {"serial": "B"}, UsageError, "no phone B among A"),
        (_alter("devices", "A unauthorized\n"), {}, ToolError, "confirm this computer"),
        (_alter("app", None), {}, ToolError, "adb install"),
        (_alter("crashes", ""), {}, ToolError, "ended without a result"),
        (_alter("results/benchmark.json", None), {"timeout_s": 2.0}, ToolError, "--timeout-s"),
        (_alter("no-taskset", ""), {"core_mask": "f0"}, ToolError, "refuses the core mask"),
        (_alter("app", ""), {"core_mask": "0"}, UsageError, "names no core"),
        *((_alter("app", ""), {"core_mask": mask}, UsageError, "names no core") for mask in MASKS),
        *(
            (_alter("app", ""), {"serial": serial}, UsageError, "no serial number")
            for serial in SERIALS
        ),
        (_alter("battery", "many"), {}, InputError, "a number was expected"),
        (_alter("battery", "900"), {}, InputError, "report nonsense"),
        (_alter("battery", "9" * 5000), {}, InputError, "a number was expected"),
        (_alter("results/benchmark.json", "{}"), {}, InputError, "schema_version"),
    ],
)
def test_what_can_go_wrong_with_a_phone_is_said(
    phone: Path,
    bundle: Path,
    change: Any,
    options: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    change(phone)
    if words == "ended without a result":
        (phone / "results" / "benchmark.json").unlink()
    with pytest.raises(error, match=words):
        bench(bundle, BenchOptions(**{**QUICK, **options}))  # type: ignore[arg-type]
    assert not (bundle / "reports" / "device").exists()


@pytest.mark.parametrize("call", ["devices", "pm path", "am start", "pull"])
def test_a_call_that_hangs_is_ended_in_time_with_all_it_started(
    phone: Path, bundle: Path, call: str
) -> None:
    (phone / "hangs").write_text(call)
    with pytest.raises(ToolError, match="--timeout-s"):
        bench(bundle, BenchOptions(core_mask="f0", timeout_s=3.0, poll_s=0.01))
    left = phone / "child"
    assert not left.exists() or _ends(int(left.read_text()))


def _ends(pid: int) -> bool:
    """Whether a process that was killed is gone, which takes until it gets a processor again."""
    last = time.monotonic() + 20.0
    while _runs(pid) and time.monotonic() < last:
        time.sleep(0.01)
    return not _runs(pid)


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_bytes_that_are_no_text_are_no_trouble(phone: Path, bundle: Path) -> None:
    (phone / "odd").write_bytes(b"\xff\xfe\x80* daemon started\n")
    assert DeviceResult.load(bench(bundle, BenchOptions(**QUICK))).benchmark
    (phone / "devices").write_text("")
    with pytest.raises(ToolError, match="no phone is connected"):
        bench(bundle, BenchOptions(**QUICK))


def test_a_phone_of_any_name_gets_a_file_of_a_sane_name(bundle: Path, tmp_path: Path) -> None:
    result = result_of(bundle)
    result["device"] |= {"manufacturer": "小米", "model": "../" + "x" * 5000}
    path = import_result(write(tmp_path / "r.json", result), bundle)
    assert path.parent == bundle / "reports" / "device" and len(path.name) < 120


def test_without_adb_it_is_said_what_to_install(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match="platform tools"):
        bench(bundle, BenchOptions())


@pytest.mark.parametrize("verb", ["import", "bench"])
def test_the_verbs_have_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["device", verb, "--help"]) == 0
    assert f"iast-export device {verb}" in capsys.readouterr().out
