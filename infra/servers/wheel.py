"""Programs that wheels bring along, run from where they were installed."""

import importlib.util
import os
from pathlib import Path


def program_of(wheel: str, *within: str) -> Path | None:
    """The program at that path within the wheel's package, executable; None where there is none for this machine.

    The package is not imported: one brings a second driver along, one makes folders and locks, and one copies its
    program into the user's home, where of two that start at once for the first time one finds it not executable yet.
    """
    found = importlib.util.find_spec(wheel)
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder).joinpath(*within)
        if path.is_file():
            if not os.access(path, os.X_OK):  # an installer may lose the bit
                path.chmod(0o755)
            return path
    return None
