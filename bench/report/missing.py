"""Why a cell of a table is empty, or rests on fewer seeds than were run."""

from collections.abc import Mapping

from bench.report.aggregate import Block, Setting

__all__ = ["why_missing"]


def why_missing(
    block: Block,
    name: str,
    setting: Setting,
    settings: Mapping[str, Mapping[str, str]],
    *,
    has_value: bool,
) -> str | None:
    """Say why a recommender's cell is empty or incomplete; None if all is there.

    Parameters
    ----------
    block, name, setting
        The cell.
    settings
        Which configurations were asked for, by recommender.
    has_value
        Whether there is a value to show.
    """
    entry = block.entries.get(name)
    if entry is None:
        chosen = [f"{key}={text}" for key, text in settings.get(name, {}).items()]
        return f"not run with {', '.join(chosen)}" if chosen else "not run"
    if not entry.runs:
        return f"{entry.label} failed: " + "; ".join(entry.failures)
    if not has_value:
        return "no user with a cold test item" if setting == "cold" else "no test user"
    if entry.failures:
        return f"{entry.label}: mean without " + "; ".join(entry.failures)
    return None
