"""What publishers allow, told once per data folder."""

import json
import logging
from pathlib import Path

from bench.files import atomic_write_json

__all__ = ["show_licence_once"]

_log = logging.getLogger(__name__)

_SHOWN_FILE = "licences-shown.json"


def show_licence_once(data_dir: Path, note: str) -> bool:
    """Show a licence note on stderr, unless it was shown for this data folder before.

    Parameters
    ----------
    data_dir
        The folder of data sets, which remembers the notes.
    note
        The note; one that was reworded since is shown again.

    Returns
    -------
    Whether it was shown.

    Raises
    ------
    BenchError
        The folder cannot be written.
    """
    target = data_dir / _SHOWN_FILE
    try:
        shown = json.loads(target.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        shown = []
    # A file that somebody else made of it is no reason to stop: the note is shown again.
    known = [text for text in shown if isinstance(text, str)] if isinstance(shown, list) else []
    if note in known:
        return False
    # A warning, so that --quiet does not hide it.
    _log.warning("%s", note)
    atomic_write_json(target, [*known, note])
    return True
