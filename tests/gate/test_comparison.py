"""Two bundles side by side: what is worse fails, what is open can't be judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.gate import gate
from iast_export.gate.comparison import answers, check_comparison, load_comparison, told
from iast_export.gate.rules import ComparisonRules
from iast_export.reports.comparison import ComparedLane, ComparisonReport, Side
from iast_export.reports.verdict import Verdict
from tests.comparison_cases import drawn, lane, pairs, report, rounds
from tests.gate_cases import make_bundle

RULES = ComparisonRules()


def not_passed(found: ComparisonReport, rules: ComparisonRules = RULES) -> dict[str, str]:
    checks = check_comparison(found, rules)
    return {check.name: check.outcome for check in checks if check.outcome != "pass"}


def code(found: ComparisonReport) -> int:
    return Verdict(bundle="it", checks=tuple(check_comparison(found, RULES))).exit_code


def test_a_change_without_an_effect_passes_and_every_question_has_a_check() -> None:
    found = report(lane(), lane("onnxruntime", "fp32", pairs=pairs(head=drawn(None))))
    assert code(found) == 0
    names = {check.name.partition(":")[0] for check in check_comparison(found, RULES)}
    assert names == {
        "compare",
        "compare speed",
        "compare psnr",
        "compare psnr to BASE",
        "compare ssim to the photograph",
        "compare style distance",
        "compare bytes",
    }


@pytest.mark.parametrize(
    ("worse", "name", "exit_code"),
    [
        (lane(rounds=rounds(0.10)), "compare speed: litert int8 d1-32px", 6),
        (lane(head_bytes=1021), "compare bytes: litert int8 d1-32px", 6),
        (lane(pairs=pairs(head=drawn(38.0))), "compare psnr: litert int8 d1-32px", 5),
        (
            lane(pairs=pairs(head=drawn(base_psnr_db=37.0))),
            "compare psnr to BASE: litert int8 d1-32px",
            5,
        ),
        (
            lane(pairs=pairs(head=drawn(ssim_content=0.58))),
            "compare ssim to the photograph: litert int8 d1-32px",
            5,
        ),
        (
            lane(pairs=pairs(head=drawn(style_distance=0.31))),
            "compare style distance: litert int8 d1-32px",
            5,
        ),
    ],
    ids=["slower", "larger", "further from FP32", "further from BASE", "photograph", "style"],
)
def test_what_is_worse_fails(worse: ComparedLane, name: str, exit_code: int) -> None:
    found = report(worse)
    assert not_passed(found)[name] == "fail"
    assert code(found) == exit_code


def test_what_is_better_passes_and_is_told() -> None:
    found = report(lane(rounds=rounds(-0.10), pairs=pairs(head=drawn(42.0))))
    assert not_passed(found) == {}
    answer = answers(found, RULES)["speed", "litert int8 d1-32px"]
    assert told("speed", answer).startswith("better: -9.98 % (")
    assert told("speed", answer).endswith("8 rounds")
    assert "-2.00 dB" in told("psnr", answers(found, RULES)["psnr", "litert int8 d1-32px"])


def test_one_style_that_got_worse_is_found_though_the_others_hide_it() -> None:
    given = [
        pair.model_copy(update={"head": drawn(39.2)}) if pair.style == "ink" else pair
        for pair in pairs()
    ]
    found = not_passed(report(lane(pairs=tuple(given))))
    assert found["compare psnr: litert int8 d1-32px in ink"] == "fail"
    assert "compare psnr: litert int8 d1-32px in cafe" not in found


def test_a_style_whose_code_changed_is_found_though_its_pictures_are_near_their_own_fp32() -> None:
    given = [
        pair.model_copy(update={"head": drawn(None, base_psnr_db=30.0)})
        if pair.style == "ink"
        else pair
        for pair in pairs(head=drawn(None))
    ]
    found = not_passed(report(lane("onnxruntime", "fp32", pairs=tuple(given))))
    assert found["compare psnr to BASE: onnxruntime fp32 d1-32px in ink"] == "fail"
    assert "compare psnr to BASE: onnxruntime fp32 d1-32px in cafe" not in found


def test_too_few_photographs_or_rounds_can_not_be_judged() -> None:
    found = report(lane(rounds=rounds(count=3), pairs=pairs(3)))
    assert code(found) == 7
    assert set(not_passed(found).values()) == {"cannot judge"}
    check = next(one for one in check_comparison(found, RULES) if "speed" in one.name)
    assert check.measured == "cannot judge: too little was measured"
    assert "--minutes" in check.remedy


def test_nothing_drawn_and_nothing_timed_is_no_pass() -> None:
    assert code(report(lane(rounds=(), pairs=()))) == 7
    assert code(report().model_copy(update={"lanes": ()})) == 7


def test_equal_bytes_need_no_measurement() -> None:
    same = lane(same_file=True, same_pictures=True, rounds=(), pairs=())
    checks = check_comparison(report(same), RULES)
    assert {check.outcome for check in checks} == {"pass"}
    assert "compare same file: litert int8 d1-32px" in {check.name for check in checks}


def test_equal_bytes_that_were_timed_are_judged() -> None:
    same = lane(same_file=True, same_pictures=True, rounds=rounds(), pairs=())
    assert ("speed", "litert int8 d1-32px") in answers(report(same), RULES)


def test_beyond_what_eight_bits_hold_nothing_is_lost() -> None:
    base, head = drawn(92.0), drawn(67.0)
    given = [pair.model_copy(update={"base": base, "head": head}) for pair in pairs()]
    assert not_passed(report(lane(pairs=tuple(given)))) == {}


def test_other_weights_need_not_draw_what_base_draws() -> None:
    other = lane(pairs=pairs(head=drawn(base_psnr_db=20.0)))
    assert not_passed(report(other, same_checkpoint=False)) == {}
    assert "compare psnr to BASE: litert int8 d1-32px" in not_passed(report(other))


def test_a_lane_that_head_lacks_can_not_be_judged() -> None:
    found = report(lacks=("tier d4-256px",))
    assert not_passed(found) == {"compare: lanes and styles": "cannot judge"}


def test_rules_say_what_size_is_asked() -> None:
    found = report(lane(rounds=rounds(0.10)))
    assert not_passed(found, ComparisonRules(max_slowdown=0.2)) == {}


# --- in the gate ---


def saved(folder: Path, *lanes: ComparedLane) -> Path:
    head = Side(name="small", manifest_sha256=sha256_file(folder / "manifest.json"))
    path = folder.parent / "comparison.json"
    report(*lanes).model_copy(update={"head": head}).save(path)
    return path


def test_the_gate_takes_a_comparison_in_place_of_a_baseline(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    verdict = gate(bundle, None, comparison=saved(bundle))
    assert verdict.exit_code == 0
    assert any(check.name.startswith("compare speed") for check in verdict.checks)
    slower = gate(bundle, None, comparison=saved(bundle, lane(rounds=rounds(0.10))))
    assert slower.exit_code == 6


def test_a_comparison_of_another_bundle_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    path = tmp_path / "comparison.json"
    report().save(path)
    with pytest.raises(InputError, match="compares another bundle"):
        load_comparison(path, bundle)
