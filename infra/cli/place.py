"""Where a command is to write a file: looked at before the work, and not after it."""

import os
from pathlib import Path

import typer


def checked_place(file: Path, hint: str) -> None:
    """Does nothing where the file can be written.

    Args:
        file: what is to be written, or written over.
        hint: the option or argument that named it.

    Raises:
        typer.BadParameter: it is a folder, its folder is not there, or it may not be written.
    """
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a folder", param_hint=hint)
    if not file.parent.is_dir():
        raise typer.BadParameter(f"{file} is no place for a file: there is no folder {file.parent}", param_hint=hint)
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise typer.BadParameter(f"{file} may not be written", param_hint=hint)
