"""Reads a `.c3d` in a process of its own: ezc3d may crash, hang or take all memory on damage.

Run as a program, `c3d_child.py FILE.c3d OUT.npz SECONDS BYTES`; it imports nothing of this package.
"""

import os
import sys


def main() -> None:
    """Markers of a file as arrays.

    Raises:
        SystemExit: with code 3, and a message on standard error, where the file is damaged.
    """
    path, out, seconds, most = sys.argv[1:]
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        resource.setrlimit(resource.RLIMIT_AS, (int(most), int(most)))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except ImportError:
        # Not every system has limits; the caller's clock remains.
        pass
    import ezc3d
    import numpy as np

    try:
        content = ezc3d.c3d(path)
        point = content["parameters"]["POINT"]
        units = point["UNITS"]["value"] if "UNITS" in point else []
        np.savez(
            out,
            labels=np.array([str(name) for name in point["LABELS"]["value"]], dtype=str),
            units=np.array(str((list(units) or ["mm"])[0])),
            rate=np.array(float(point["RATE"]["value"][0])),
            first=np.array(int(content["header"]["points"]["first_frame"])),
            points=np.asarray(content["data"]["points"], float)[:3],
            residuals=np.asarray(content["data"]["meta_points"]["residuals"], float)[0],
        )
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        print(said[:300], file=sys.stderr)
        raise SystemExit(3) from None


if __name__ == "__main__":
    main()
