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

from cervjax.assessment import MAIN, MEASURES, PACES, Assessment, Change, Quality
from cervjax.assessment.deficits import healthy_scores
from cervjax.assessment.envelope import FALSE_ALARMS, PERCENTILES, even, plain
from cervjax.execution import sealed

from . import pictures

REPORT_FORMAT = 3
_CURVE_FRAMES = 512
"""Of the trajectory in the JSON."""


def report_data(assessment: Assessment, changes: Sequence[Change] = ()) -> dict[str, Any]:
    """Everything that the page says, as plain numbers and text; degrees, N, s."""
    findings, quality = assessment.findings, assessment.quality
    envelope = findings.envelope
    percentiles = envelope.percentiles
    day = plain(even(envelope.expected) + envelope.day_sd) - envelope.expected
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
                "day_to_day_sd": _number(m.scale * day[k]),
                "standard_deviations_worse": _number(envelope.worse(findings.values)[k]),
                "threshold": _number(findings.thresholds[k]),
                "judged": bool(envelope.judged[k]),
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
            "ratios": {k: _number(v) for k, v in assessment.subject.ratios().items()},
        },
        "envelope": {"identity": envelope.identity, "people": len(envelope.measured)},
        "instructed": str(envelope.instruction),
        "pace": PACES[envelope.instruction].source if envelope.instruction in PACES else None,
        "score": _number(findings.score),
        "score_healthy": dict(
            zip(
                ("5 %", "50 %", "95 %"),
                map(_number, healthy_scores(findings.values, envelope)),
                strict=True,
            )
        ),
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
        "noticed": _noticed(assessment),
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
        "trajectory": _trajectory(assessment),
        "forces": _forces(assessment),
        "quality": {
            "frames": quality.frames,
            "rate": _number(quality.rate),
            "duration": _number(quality.frames / quality.rate),
            "lost": _number(quality.lost),
            "bridged": _number(quality.bridged),
            "cutoff": _number(quality.cutoff),
            "beyond_model": _number(quality.beyond_model),
            "beyond": [
                {
                    "coordinate": b.coordinate,
                    "frames": _number(b.part),
                    "farthest_deg": _number(np.degrees(b.farthest)),
                }
                for b in quality.beyond
            ],
            "model_apart_deg": {
                "rms": _number(np.degrees(quality.model_apart[0])),
                "largest": _number(np.degrees(quality.model_apart[1])),
            },
            "neutral_deg": _neutral(quality),
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

    Returns:
        Paths of the two files.
    """
    folder = Path(folder)
    data = report_data(assessment, changes)
    text = json.dumps(sealed(data), indent=1, allow_nan=False, ensure_ascii=False)
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
    template = resources.files("cervjax.report").joinpath("report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    drawn: dict[str, Any] = {
        "ranges": pictures.draw_ranges(assessment),
        "trajectory": pictures.draw_trajectory(assessment),
        "quality": pictures.draw_quality(assessment),
    }
    if assessment.forces is not None:
        drawn["forces"] = pictures.draw_forces(assessment)
        drawn["actions"] = pictures.draw_actions(assessment)
        drawn["joints"] = pictures.draw_joint_loads(assessment)
    necks = pictures.draw_necks(assessment)
    judged = [m for m in data["measures"] if m["judged"]]
    return environment.from_string(template).render(
        data=data,
        pictures={k: None if f is None else Markup(pictures.svg(f)) for k, f in drawn.items()},
        necks=None if necks is None else pictures.png(necks),
        rotating=pictures.rotating_neck(assessment) if rotating else None,
        main=[m for m in data["measures"] if m["kind"] != "range" or m["region"] in MAIN],
        false_alarms=100 * sum(FALSE_ALARMS[kind] for kind in {m["kind"] for m in judged}),
    )


def _forces(assessment: Assessment) -> dict[str, Any] | None:
    forces, capacity = assessment.forces, assessment.capacity
    if forces is None or capacity is None:
        return None
    names = forces.levels
    compared, network = forces.compared, assessment.network
    groups = {}
    for column, (name, side) in enumerate(forces.groups):
        low, high = forces.band[:, compared, column]
        own = forces.group_force[compared, column]
        groups[f"{name}, {side}"] = {
            "peak": _number(np.nanmax(own)),
            "mean": _number(np.nanmean(own)),
            "healthy_peak": [_number(low.max()), _number(high.max())],
            "largest_activation": _number(forces.demand[0, column]),
            "healthy_largest_activation_95": _number(forces.demand[1, column]),
            "force": _numbers(own),
            "healthy_force": [_numbers(low), _numbers(high)],
        }
        if network is not None:
            curve = network.group_force[:, column]
            said = np.interp(forces.time[compared], network.time, curve)
            groups[f"{name}, {side}"]["network_peak"] = _number(said.max())
    return {
        "frames": len(forces.time),
        "frames_compared": len(compared),
        "time": _numbers(forces.time[compared]),
        "certified": _number(forces.certified),
        "without_optimum": _number(np.mean(np.isnan(forces.reserve))),
        "largest_reserve": _number(np.nanmax(forces.reserve)),
        "largest_activation": _number(np.nanmax(forces.activation)),
        "network": None
        if network is None
        else {"name": network.name, "novel_frames": _number(network.novel)},
        "groups": groups,
        "capacity_Nm": {
            name: dict(zip(("5 %", "50 %", "95 %"), map(_number, column), strict=True))
            for name, column in zip(MAIN, capacity.T, strict=True)
        },
        "joints": {
            name: {
                quantity: {
                    "peak": _number(np.nanmax(own[compared, k])),
                    "healthy_peak": [_number(x) for x in band[:, compared, k].max(axis=1)],
                    "force": _numbers(own[compared, k]),
                }
                for quantity, own, band in (
                    ("compression", forces.compression, forces.joint_band[:, 0]),
                    ("shear", forces.shear, forces.joint_band[:, 1]),
                )
            }
            for k, name in enumerate(names)
        },
    }


def _noticed(assessment: Assessment) -> list[str]:
    """Measures of the main directions that are on the worse side of what 90 % of healthy people
    show, and are not called deficits."""
    findings = assessment.findings
    low, high = findings.envelope.percentiles[[1, 5]]
    called = {d.measure.name for d in findings.deficits}
    found = []
    for k, m in enumerate(MEASURES):
        value = findings.values[k]
        if not findings.envelope.judged[k] or m.name in called:
            continue
        if m.kind == "range" and m.region not in MAIN:
            continue
        below, above = value < low[k], value > high[k]
        if (below and m.less_is_worse is not False) or (above and m.less_is_worse is not True):
            found.append(m.name)
    return found


def _neutral(quality: Quality) -> dict[str, list[float | None]] | None:
    """How the head rests: extension, bending to the right, rotation to the left."""
    neutral = quality.neutral
    if neutral is None:
        return None
    rows = {"at rest": neutral.rest, **{f"before {k}": v for k, v in neutral.before.items()}}
    return {name: _numbers(np.degrees(row)) for name, row in rows.items()}


def _trajectory(assessment: Assessment) -> dict[str, Any]:
    """The turns of the head, thinned; nothing where frames do not count."""
    count = len(assessment.motion.time)
    rows = np.unique(np.round(np.linspace(0, count - 1, min(count, _CURVE_FRAMES))).astype(int))
    turn = np.where(assessment.valid[:, None], np.degrees(assessment.turn), np.nan)[rows]
    names = ("extension_deg", "right_bending_deg", "left_rotation_deg")
    return {
        "time": _numbers(assessment.motion.time[rows]),
        **{name: _numbers(column) for name, column in zip(names, turn.T, strict=True)},
    }


def _number(value: float | np.floating[Any]) -> float | None:
    """Four digits; None where there is none, because JSON has no NaN."""
    value = float(value)
    if not math.isfinite(value):
        return None
    return float(f"{value:.4g}")


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(x) for x in values]
