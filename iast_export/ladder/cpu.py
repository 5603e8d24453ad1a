"""What this machine's processor has for products of 8-bit integers."""

from __future__ import annotations

from iast_export.environment import INT8_FLAGS, VNNI, machine_fingerprint
from iast_export.reports.ladder import Processor


def processor() -> Processor:
    """This machine's processor: what it has for 8-bit products, what it lacks and what follows."""
    found = machine_fingerprint()
    flags, kind = found["flags"], str(found["architecture"])
    known = INT8_FLAGS.get(kind, ())
    has = tuple(flag for flag in known if isinstance(flags, list) and flag in flags)
    remark = "8-bit products are summed exactly by the processor itself"
    if kind == "x86_64" and set(VNNI).isdisjoint(has):
        remark = (
            "no VNNI: 8-bit products would saturate; session.x64quantprecision keeps them exact, "
            "so accuracy is judged rightly here, but INT8 speed is not that of a processor with "
            "VNNI"
        )
    elif kind != "x86_64" and not has:
        remark = "no 8-bit dot product: results hold, INT8 speed is that of the oldest phones"
    return Processor(
        cpu=str(found["cpu"]), has=has, lacks=tuple(f for f in known if f not in has), remark=remark
    )
