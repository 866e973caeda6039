"""An `Assessment` as one self-contained HTML file, and as JSON."""

import json
import math
from collections.abc import Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from . import pictures
from .assess import Assessment
from .deficits import Change
from .directions import MAIN
from .envelope import FALSE_ALARMS, PERCENTILES
from .forces import ACTIONS, GROUPS
from .measures import MEASURES

REPORT_FORMAT = 1


def report_data(assessment: Assessment, changes: Sequence[Change] = ()) -> dict[str, Any]:
    """Everything that the page says, as plain numbers and text; degrees, N, s."""
    findings, quality = assessment.findings, assessment.quality
    envelope = findings.envelope
    percentiles = envelope.percentiles
    measures = []
    for k, m in enumerate(MEASURES):
        value = findings.values[k]
        measures.append(
            {
                "kind": m.kind,
                "region": m.region,
                "unit": m.unit,
                "value": _number(m.scale * value),
                "healthy": {
                    f"{p:g} %": _number(m.scale * x)
                    for p, x in zip(PERCENTILES, percentiles[:, k], strict=True)
                },
                "day_to_day_sd": _number(m.scale * envelope.day_sd[k]),
                "standard_deviations_worse": _number(envelope.worse(findings.values)[k]),
                "threshold": _number(findings.thresholds[k]),
            }
        )
    return {
        "format": REPORT_FORMAT,
        "cervjax": metadata.version("cervjax"),
        "not_a_medical_device": True,
        "source": assessment.source,
        "kind": assessment.kind,
        "person": {
            "sex": assessment.person.sex.name.lower(),
            "age": assessment.person.age,
            "stature": assessment.person.stature,
            "weight": assessment.person.weight,
            "ratios": {k: _number(v) for k, v in _ratios(assessment).items()},
        },
        "envelope": {"identity": envelope.identity, "people": len(envelope.measured)},
        "score": _number(findings.score),
        "regions": list(findings.regions),
        "not_examined": list(findings.missing),
        "deficits": [
            {
                "kind": d.measure.kind,
                "region": d.region,
                "unit": d.measure.unit,
                "value": _number(d.measure.scale * d.value),
                "healthy_median": _number(d.measure.scale * d.expected),
                "limit": _number(d.measure.scale * d.limit),
                "interval": [_number(d.measure.scale * x) for x in d.interval],
                "standard_deviations": _number(d.severity),
                "sentence": d.sentence,
            }
            for d in findings.deficits
        ],
        "changes": [
            {
                "kind": c.measure.kind,
                "region": c.measure.region,
                "unit": c.measure.unit,
                "change": _number(c.measure.scale * c.change),
                "interval": [_number(c.measure.scale * x) for x in c.interval],
                "beyond_day_to_day": c.real,
            }
            for c in changes
        ],
        "measures": measures,
        "forces": _forces(assessment),
        "quality": {
            "frames": quality.frames,
            "rate": _number(quality.rate),
            "duration": _number(quality.frames / quality.rate),
            "lost": _number(quality.lost),
            "bridged": _number(quality.bridged),
            "cutoff": _number(quality.cutoff),
            "beyond_model": _number(quality.beyond_model),
            "marker_error_mm": {k: _number(1e3 * v) for k, v in quality.marker_error.items()},
            "marker_seen": {k: _number(v) for k, v in quality.marker_seen.items()},
            "warnings": list(quality.warnings),
        },
    }


def write_report(
    assessment: Assessment,
    folder: str | Path,
    *,
    changes: Sequence[Change] = (),
    rotating: bool = False,
) -> tuple[Path, Path]:
    """Write `report.html` and `report.json` into `folder`; neither appears before both are done.

    Args:
        changes: since an earlier session.
        rotating: whether the page gets a view of the neck that turns.
    """
    folder = Path(folder)
    data = report_data(assessment, changes)
    text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False)
    page = render(assessment, data, rotating=rotating)
    folder.mkdir(parents=True, exist_ok=True)
    targets = folder / "report.html", folder / "report.json"
    for target, content in zip(targets, (page, text + "\n"), strict=True):
        target.with_suffix(target.suffix + ".partial").write_text(content, encoding="utf-8")
    for target in targets:
        target.with_suffix(target.suffix + ".partial").replace(target)
    return targets


def render(assessment: Assessment, data: dict[str, Any], *, rotating: bool = False) -> str:
    """The page. What files and people are called is escaped; nothing is loaded from elsewhere."""
    template = resources.files("cervjax.assessment").joinpath("report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    drawn = {
        "ranges": pictures.draw_ranges(assessment),
        "trajectory": pictures.draw_trajectory(assessment),
        "quality": pictures.draw_quality(assessment),
    }
    if assessment.forces is not None:
        drawn["forces"] = pictures.draw_forces(assessment)
        drawn["actions"] = pictures.draw_actions(assessment)
        drawn["joints"] = pictures.draw_joint_loads(assessment)
    necks = pictures.draw_necks(assessment)
    return environment.from_string(template).render(
        data=data,
        pictures={k: Markup(pictures.svg(f)) for k, f in drawn.items() if f is not None},
        necks=None if necks is None else pictures.png(necks),
        rotating=pictures.rotating_neck(assessment) if rotating else None,
        main=[m for m in data["measures"] if m["region"] in MAIN or "asymmetry" in m["kind"]],
        false_alarms=100 * sum(FALSE_ALARMS.values()),
    )


def _forces(assessment: Assessment) -> dict[str, Any] | None:
    forces = assessment.forces
    if forces is None:
        return None
    names = pictures.level_names(forces.levels)
    peaks = {}
    for name in (*GROUPS, *ACTIONS):
        for side in ("left", "right"):
            if (name, side) in forces.groups:
                column = forces.groups.index((name, side))
                low, high = forces.band[:, :, column]
                own = forces.group_force[:, column]
                peaks[f"{name}, {side}"] = {
                    "peak": _number(own.max()),
                    "mean": _number(own.mean()),
                    "healthy_peak": [_number(low.max()), _number(high.max())],
                    "largest_activation": _number(forces.demand[0, column]),
                    "healthy_largest_activation_95": _number(forces.demand[1, column]),
                }
    return {
        "frames": len(forces.time),
        "certified": _number(forces.certified),
        "largest_reserve": _number(forces.reserve.max()),
        "largest_activation": _number(forces.activation.max()),
        "groups": peaks,
        "capacity_Nm": {
            name: dict(zip(("5 %", "50 %", "95 %"), map(_number, column), strict=True))
            for name, column in zip(MAIN, forces.capacity.T, strict=True)
        },
        "joints": {
            name: {
                "peak_compression": _number(forces.compression[:, k].max()),
                "peak_shear": _number(forces.shear[:, k].max()),
            }
            for k, name in enumerate(names)
        },
    }


def _ratios(assessment: Assessment) -> dict[str, float]:
    names = type(assessment.subject).__dataclass_fields__
    return {name: float(getattr(assessment.subject, name)) for name in names}


def _number(value: float | np.floating[Any]) -> float | None:
    """Four digits; None where there is none, because JSON has no NaN."""
    value = float(value)
    if not math.isfinite(value):
        return None
    return float(f"{value:.4g}")
