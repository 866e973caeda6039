"""The `cervjax` command: files in, files out."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console

from .labels import LabelDataset, verify_dataset
from .learning import RunFolder, described_person
from .model import NeckModel
from .motion import Motion, inclined_gravity, read_storage
from .optimization import StaticOptimization
from .personalization import Personalizer, Subject
from .portable import write_onnx, write_portable
from .predict import Predictor, predict_motion, predict_recording, write_prediction
from .solve import solve_motion, write_solution
from .spec import SHIPPED, NeckSpec, shipped_neck, write_tables

Model = Annotated[str, tyro.conf.Positional]


def load_neck(model: str, *, allow_unsupported: bool = False) -> NeckSpec:
    """A shipped neck by its name, or an `.osim` file.

    Raises:
        FileNotFoundError, ValueError: it is neither, or cannot be converted.
    """
    if model in SHIPPED:
        return shipped_neck(model)
    if not Path(model).exists() and not model.endswith(".osim"):
        raise FileNotFoundError(
            f"{model!r} is neither a file nor a shipped neck ({', '.join(SHIPPED)})"
        )
    from conversion.opensim_reader import read_osim

    spec = read_osim(model, allow_unsupported=allow_unsupported)
    for path in spec.omitted:
        print(f"left out: {path}", file=sys.stderr)
    return spec


def solve(
    model: Model,
    motion: Annotated[Path, tyro.conf.Positional],
    out: Path,
    step: int = 1,
    convention: Literal["opensim", "physical"] = "opensim",
    exponent: float = 2.0,
    weighting: Literal["none", "volume"] = "none",
    reserve: float | None = None,
    lowpass: float | None = None,
    max_steps: int = 100,
    precision: Literal["float64", "float32"] = "float64",
    allow_unsupported: bool = False,
) -> None:
    """Muscle forces behind a head movement, each frame with its certificate.

    Args:
        model: an .osim file, or a shipped neck: hyoid-repaired, hyoid.
        motion: a .mot or .sto file with the model's free coordinates.
        out: folder for inverse_dynamics.sto, StaticOptimization_activation.sto,
            StaticOptimization_force.sto and certificate.sto.
        step: solve every step-th frame; derivatives use all of them.
        convention: opensim (what its tool does) or physical (pennation and passive force).
        exponent: p >= 2 of the objective, the sum of activation^p.
        weighting: weights of the activations: none, or muscle volume.
        reserve: optimal force (N m) of one reserve per free coordinate, instead of the model's
            own; 1 where the model has none.
        lowpass: cutoff (Hz) of a zero-phase Butterworth filter on the motion first.
        max_steps: limit of the optimizer's steps; high exponents need more.
        precision: of the computation.
        allow_unsupported: leave out model components that cannot be converted, and list them.
    """
    jax.config.update("jax_enable_x64", True)
    spec = load_neck(model, allow_unsupported=allow_unsupported)
    if reserve is not None or not spec.actuators:
        spec = spec.with_reserves(1.0 if reserve is None else reserve)
    settings = StaticOptimization(convention, exponent, weighting, max_steps)
    moved = Motion.from_storage(read_storage(motion), spec)
    if lowpass is not None:
        moved = moved.lowpass(lowpass)
    neck = NeckModel.from_spec(spec, dtype=precision)
    solved = solve_motion(spec, neck, moved, settings, step=step)
    for path in write_solution(solved, out):
        print(path)
    certificate = solved.solution.certificate
    print(
        f"{len(solved.time)} frames of {spec.name}, convention {convention}: largest KKT residual "
        f"{certificate.kkt_residual.max():.1e}, largest imbalance "
        f"{certificate.primal_residual.max():.1e} N m"
    )
    if not solved.converged:
        failures = solved.failures()
        listed = "\n  ".join(failures[:10])
        raise SystemExit(f"{len(failures)} frames are not at their optimum:\n  {listed}")


def personalize(
    model: Model,
    out: Path,
    neck_length: float = 1.0,
    shoulder_width: float = 1.0,
    head_mass: float = 1.0,
    head_size: float = 1.0,
    strength: float = 1.0,
    flexor_strength: float = 1.0,
    extensor_strength: float = 1.0,
    inertia: Literal["affine", "opensim"] = "affine",
    allow_unsupported: bool = False,
) -> None:
    """Write a person's neck as an .osim file. All sizes are ratios to the model.

    Args:
        model: an .osim file, or a shipped neck: hyoid-repaired, hyoid.
        out: the .osim file to write.
        neck_length: of the vertebrae along y.
        shoulder_width: of clavicles and scapulae along z.
        head_mass: mass and inertia of the skull (and jaw).
        head_size: the skull (and jaw) evenly; inertia with its square.
        strength: max isometric force of every muscle.
        flexor_strength: further, of the flexors.
        extensor_strength: further, of the extensors.
        inertia: rule for the inertia of scaled vertebrae.
        allow_unsupported: leave out model components that cannot be converted.
    """
    from conversion.opensim_writer import write_osim

    jax.config.update("jax_enable_x64", True)
    spec = load_neck(model, allow_unsupported=allow_unsupported)
    subject = Subject.of(
        neck_length=neck_length,
        shoulder_width=shoulder_width,
        head_mass=head_mass,
        head_size=head_size,
        strength=strength,
        flexor_strength=flexor_strength,
        extensor_strength=extensor_strength,
    )
    person = Personalizer(spec, inertia=inertia)(subject)
    write_osim(person.to_spec(spec, out.stem), out)
    print(out)


def convert(
    model: Model,
    out: Annotated[Path, tyro.conf.Positional],
    allow_unsupported: bool = False,
) -> None:
    """Convert a neck: to an OpenSim model (.osim), a MuJoCo model (.xml), or a folder of tables.

    Args:
        model: an .osim file, or a shipped neck: hyoid-repaired, hyoid.
        out: a path that ends in .osim or .xml, or a folder.
        allow_unsupported: leave out model components that cannot be converted, and list them.
    """
    spec = load_neck(model, allow_unsupported=allow_unsupported)
    if out.suffix == ".osim":
        from conversion.opensim_writer import write_osim

        write_osim(spec, out)
    elif out.suffix == ".xml":
        from conversion.mjcf_writer import write_mjcf

        write_mjcf(spec, out)
        print("not in MJCF: bushings, muscle force models, reserves", file=sys.stderr)
    else:
        write_tables(spec, out)
    print(out)


def verify(
    dataset: Annotated[Path, tyro.conf.Positional],
    model: str | None = None,
    sample: int = 256,
    seed: int = 0,
) -> None:
    """Check a label dataset: every file and checksum, and a random sample solved again in float64.

    Args:
        dataset: its folder.
        model: the dataset's neck, an .osim file or a shipped neck; what the manifest names if
            left out.
        sample: rows to solve again.
        seed: of the sample.
    """
    jax.config.update("jax_enable_x64", True)
    name = model or LabelDataset(dataset).manifest["neck"]["name"]
    report = verify_dataset(dataset, load_neck(name), sample=sample, seed=seed)
    print(f"{report.rows} rows read, {report.sampled} solved again in {report.precision}")
    if report.problems:
        raise SystemExit("\n".join(report.problems[:20]))
    print("largest differences (N, N m):")
    for name, difference in report.difference.items():
        print(f"  {name:24} {difference:.1e}")


def predict(
    motion: Annotated[Path, tyro.conf.Positional],
    network: Path,
    out: Path,
    person: tuple[str, ...] = (),
    lowpass: float | None = None,
    inclination_deg: float | None = None,
    torso: str = "torso",
    head: str = "skull",
    sensor_to_opensim_deg: tuple[float, float, float] | None = None,
) -> None:
    """Muscle forces behind a head movement, by a trained network.

    Args:
        motion: a .mot or .sto file with the model's free coordinates, or an OpenSense .sto with the
            orientations of torso and head, for a network of the sensor input sets.
        network: folder of a training run, or of an ensemble.
        out: folder for StaticOptimization_activation.sto, StaticOptimization_force.sto and more.
        person: what is known, as name=value: sex=female age=34 stature=1.66 weight=61, or ratios
            to the model: neck_length, shoulder_width, head_mass, head_size, strength,
            flexor_strength, extensor_strength. What is left out counts as not known.
        lowpass: cutoff (Hz) for what was recorded: accelerations of raw recordings are noise.
        inclination_deg: how far the torso leans forwards, for coordinates; orientations tell it
            themselves.
        torso, head: columns of an orientation file.
        sensor_to_opensim_deg: rotation of an orientation file's ground into OpenSim's;
            -90 0 0 for one whose z axis points up.
    """
    predictor = Predictor.load(network)
    known = described_person(dict(_assignment(text) for text in person))
    if _holds_orientations(motion):
        from conversion.opensense import read_orientations

        if inclination_deg is not None:
            raise ValueError(
                f"--inclination-deg {inclination_deg}: {motion} holds orientations, which tell how "
                "the torso leans; leave it out"
            )
        turned = sensor_to_opensim_deg or (0.0, 0.0, 0.0)
        recording = read_orientations(motion, torso=torso, head=head, sensor_to_opensim_deg=turned)
        recording = recording if lowpass is None else recording.lowpass(lowpass)
        predicted = predict_recording(predictor, recording, known)
    else:
        spec = RunFolder(predictor.members[0]).spec()
        moved = Motion.from_storage(read_storage(motion), spec)
        if sensor_to_opensim_deg is not None:
            raise ValueError(
                f"--sensor-to-opensim-deg {sensor_to_opensim_deg}: {motion} holds coordinates, not "
                "orientations; leave it out"
            )
        moved = moved if lowpass is None else moved.lowpass(lowpass)
        lean = np.radians(inclination_deg or 0.0)
        down = inclined_gravity(predictor.model.gravity, jnp.asarray(lean), jnp.zeros(()))
        predicted = predict_motion(predictor, moved, known, gravity=np.asarray(down))
    for path in write_prediction(predicted, out):
        print(path)
    if predicted.novel.any():
        count, frames = int(predicted.novel.sum()), len(predicted.time)
        which = f" ({', '.join(predicted.beyond)} beyond training)" if predicted.beyond else ""
        print(
            f"cervjax: {count} of {frames} frames are unlike anything the network was trained on"
            f"{which}; do not trust them",
            file=sys.stderr,
        )


def assess(
    recording: Annotated[Path, tyro.conf.Positional],
    person: tuple[str, ...],
    out: Path,
    static: Path | None = None,
    earlier: Path | None = None,
    neck: str = "hyoid-repaired",
    marker_map: Path | None = None,
    up: Literal["x", "y", "z"] | None = None,
    start: float | None = None,
    end: float | None = None,
    neutral: tuple[float, float] | None = None,
    lowpass: float | None = None,
    forces: bool = True,
    network: Path | None = None,
    rotating: bool = False,
) -> None:
    """A recording to a report of where movement falls short of healthy people's.

    A research tool, not a medical device.

    Args:
        recording: markers (.trc, .c3d), two sensors' quaternions (.csv with the columns time,
            torso_w, torso_x, torso_y, torso_z, head_w, head_x, head_y, head_z), or coordinates
            (.mot, .sto).
        person: what is known, as name=value: sex=female age=34, and stature (m), weight (kg),
            neck_length and other ratios to the model.
        out: folder for report.html, report.json, motion.sto and StaticOptimization_force.sto.
        static: recording of the person standing or sitting still, for markers; the stillest second
            of the first ten if not given.
        earlier: report.json of an earlier session of the same person.
        neck: a shipped neck, or an .osim file with the same markers and groups.
        marker_map: CSV of two columns, the recording's label and the name used here; HYOID's and
            Plug-in-Gait's labels are known.
        up: axis of the laboratory that points up; y for .trc, z for .c3d and .csv.
        start, end: s, the part to assess.
        neutral: s, from when to when the person rests and looks ahead, for sensors.
        lowpass: cutoff (Hz); chosen by residual analysis if not given.
        forces: whether to solve for muscle forces.
        network: a trained network; its forces are written beside the solver's.
        rotating: whether the page gets a view of the neck that turns.
    """
    from .assessment.session import Session, assess_file

    jax.config.update("jax_enable_x64", True)
    described = dict(_assignment(text) for text in person)
    session = Session(
        recording,
        static=static,
        earlier=earlier,
        marker_map=marker_map,
        up=up,
        start=start,
        end=end,
        neutral=neutral,
        lowpass=lowpass,
        forces=forces,
        network=network,
        rotating=rotating,
    )
    with Console(stderr=True).status("reading") as status:
        written, assessment = assess_file(
            session, described, load_neck(neck), out, lambda note: status.update(note)
        )
    for path in written:
        print(path)
    for warning in assessment.quality.warnings:
        print(f"cervjax: {warning}", file=sys.stderr)
    for deficit in assessment.findings.deficits:
        print(deficit.sentence)
    if not assessment.findings.deficits:
        print("nothing passes the thresholds; see the report for what was examined")


def export(
    network: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
) -> None:
    """Write a trained network as one file that runs without this package.

    Args:
        network: folder of a training run, or of an ensemble.
        out: a .zip (any network; needs JAX to run), or an .onnx (a single feed-forward network).
    """
    predictor = Predictor.load(network)
    if out.suffix == ".onnx":
        print(write_onnx(predictor, out))
    else:
        print(write_portable(predictor, out))


def _assignment(text: str) -> tuple[str, float | str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ValueError(f"{text!r} is not name=value, as in age=34")
    try:
        return name, float(value)
    except ValueError:
        return name, value


def _holds_orientations(path: Path) -> bool:
    """Whether the header of a `.sto` says so."""
    with path.open(errors="replace") as file:
        for line in file:
            if line.strip().lower() == "datatype=quaternion":
                return True
            if line.strip().lower() == "endheader":
                break
    return False


def main() -> None:
    """Run the command line; errors in the input end as one line and exit code 2."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            {
                "solve": solve,
                "personalize": personalize,
                "convert": convert,
                "verify": verify,
                "predict": predict,
                "export": export,
                "assess": assess,
            },
            prog="cervjax",
            description="Muscle forces of the human neck, each with its certificate.",
        )
    except (ValueError, OSError, ImportError) as error:
        print(f"cervjax: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
