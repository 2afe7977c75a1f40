"""What stands under Table IV: who made, judged and compared the images, and on how many."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.evaluation.similarity import SsimOptions
from bench.experiment.generation.record import DesignsRecord, Judged
from bench.report.published import OTHER_ITEM_SET, Published

__all__ = ["judge_line", "table4_foot"]

Block = tuple[DesignsRecord, Mapping[str, Judged], int]

_PAPER_ETA = 1.0


def table4_foot(
    blocks: Sequence[Block],
    *,
    other_item_set: Callable[[DesignsRecord], bool],
    published: Published,
    ci: bool,
) -> tuple[str, ...]:
    """Write the lines under Table IV.

    Parameters
    ----------
    blocks
        Record, numbers by judge, and how many other sets are stored, per data set shown.
    other_item_set
        Whether a data set of the paper's has other users or items than the paper counts.
    published
        The paper's tables and what is known of its data.
    ci
        Whether intervals are shown.
    """
    lines = [
        "X_c: random real images of the category; G(·, c): random generated ones; δ(u, c): the "
        "real ones with the highest preference (eq. 8), of the whole category, the user's own "
        "items included; δ\u0302(u, c): designed ones (eq. 9 to 11).",
        "Preference: θ_u · Φ(x) of eq. 6, never with eta; mean and standard deviation over images. "
        "Category: share of images that the classifier names as the category asked for.",
    ]
    lines += _once(_trials(record) for record, _, _ in blocks)
    for judge in dict.fromkeys(name for _, judged, _ in blocks for name in judged):
        for record, judged, _ in blocks:
            if judge in judged:
                lines.append(f"{record.dataset_title}: {judge_line(judged[judge])}")
    lines += _once(_diversity(record, first) for record, first in _firsts(blocks))
    lines += _once(_distances(one) for _, judged, _ in blocks for one in judged.values())
    for record, first in _firsts(blocks):
        lines += [f"{record.dataset_title}: {line}" for line in _copies_and_utility(first)]
    if ci:
        lines.append(
            "Intervals: 95% percentile bootstrap over trials, of the difference (not in percent)."
        )
    lines += _once(_models(record) for record, _, _ in blocks)
    for record, _, others in blocks:
        if others:
            sets = "set of designs is" if others == 1 else "sets of designs are"
            lines.append(
                f"{record.dataset_title}: {others} more {sets} stored; shown is the one made last; "
                "`--set design.trials=N` and the like choose another."
            )
    lines.append(
        f"Paper: {published.source.rstrip('.')}; 1,000 trials of top-3 images; the settings of its "
        "quality and diversity are not stated."
    )
    differing = [record.key.dataset for record, _, _ in blocks if other_item_set(record)]
    for dataset in dict.fromkeys(differing):
        if dataset in published.notes:
            lines.append(f"{OTHER_ITEM_SET}: {published.notes[dataset]}")
    return tuple(lines)


def judge_line(judged: Judged) -> str:
    """Say what a score of quality is, by whom, and on how many images."""
    facts, quality = judged.facts, judged.sources["designed"]["quality"]
    low, high = min(quality["split_sizes"]), max(quality["split_sizes"])
    each = f"{low:,}" if low == high else f"{low:,} or {high:,}"
    parts = [
        f"Quality ({judged.judge}) is the {facts['score_label']}: mean and standard deviation over "
        f"{len(quality['split_sizes'])} splits of {each} images in the order of the trials, "
        f"N = {quality['n_images']:,}; {facts['network']}; weights SHA-256 "
        f"{facts['weights_sha256'][:8]}; {facts['preprocessing']}"
    ]
    if facts.get("accuracy") is not None:
        parts.append(f"accuracy {facts['accuracy']:.1%} on {facts['n_held_out']:,} held-out images")
    return "; ".join(parts) + "."


def _trials(record: DesignsRecord) -> str:
    options = record.key.options
    return (
        f"{record.dataset_title}: {record.trials:,} trials, each of a random user and the category "
        f"of her test item, with {options['top']} images of {record.pixels} x {record.pixels} "
        f"pixels per source (real ones brought to that size); δ\u0302: {options['top']} of "
        f"{options['starts']} starts, drawn by eq. 11, {options['steps']} steps of Adam with "
        f"{options['learning_rate']:g}, eta {options['eta']:g}; seed {record.key.seed}"
        f"{_slim(record)}."
    )


def _slim(record: DesignsRecord) -> str:
    """Say where fewer were tried than in the paper, or with another weight of quality."""
    options = record.key.options
    paper = {"trials": 1000, "starts": 64, "steps": 50}
    other = [f"{paper[name]:,} {name}" for name in paper if (options[name] or 0) < paper[name]]
    if options["eta"] != _PAPER_ETA:
        other.append(f"eta {_PAPER_ETA:g}")
    return f" (the paper: {', '.join(other)})" if other else ""


def _diversity(record: DesignsRecord, judged: Judged) -> str:
    options = judged.options
    ssim = SsimOptions(
        window=options["ssim_window"],
        colour=options["ssim_colour"],
        size=options["ssim_size"] or None,
    )
    top = int(record.key.options["top"])
    return (
        f"Diversity: 1 - mean SSIM over the {top * (top - 1) // 2} pairs of a trial's images, mean "
        f"and standard deviation over trials; {ssim}."
    )


def _distances(judged: Judged) -> str | None:
    row = judged.sources["real"]
    if row["frechet"] is None:
        return None
    kernel = row["kernel"]
    return (
        f"Fréchet and kernel: distances ({judged.facts['frechet_label']}, "
        f"{judged.facts['kernel_label']}) between features of a source's images and of "
        f"{row['frechet']['n_others']:,} other real images, each category as often as among the "
        "trials; the row X_c is what two samples of real images have; the latter over "
        f"{kernel['n_subsets']} subsets of {kernel['subset_size']:,}."
    )


def _copies_and_utility(judged: Judged) -> list[str]:
    lines = []
    near = judged.neighbours
    if near["generated"] is not None and near["real"] is not None:
        made, real = near["generated"], near["real"]
        line = (
            f"L1 distance to the nearest real image of the category, in levels of 255, median (5th "
            f"percentile): {made['percentiles']['50']:.1f} ({made['percentiles']['5']:.1f}) for "
            f"{made['n_images']:,} samples of G, {real['percentiles']['50']:.1f} "
            f"({real['percentiles']['5']:.1f}) for {real['n_images']:,} real images"
        )
        apart = near.get("median_difference")
        if apart is not None:
            line += (
                f"; medians differ by {apart['difference']:+.1f} (95% percentile bootstrap "
                f"interval {apart['ci_low']:+.1f} to {apart['ci_high']:+.1f}); "
                f"{100 * near['near']:.1f}% of the samples are nearer than the real images' 5th "
                "percentile"
            )
        lines.append(line + ".")
    if judged.reader is not None:
        truth = [judged.sources[name]["utility"]["on_record"] for name in ("real", "retrieved")]
        lines.append(
            "True utility, in units of the noise in the user's choice, without what is not "
            f"visible: {judged.reader['description']}. By the styles on record the real images "
            f"have {truth[0]:.3f} (X_c) and {truth[1]:.3f} (δ)."
        )
    return lines


def _models(record: DesignsRecord) -> str:
    models, key = record.models, record.key
    recommender, generator = models["recommender"], models["generator"]
    auc = f", AUC {recommender['auc']:.4f}" if recommender.get("auc") is not None else ""
    preset = generator["params"].get("preset")
    made = record.provenance
    return (
        f"{record.dataset_title}: preferences of {record.recommender_label} (seed "
        f"{recommender['seed']}{auc}; cell {key.recommender_cell}); {record.generator_label}"
        f"{f' preset {preset}' if preset else ''}, {generator['epochs']} epochs on "
        f"{generator['n_images']:,} images (seed {generator['seed']}; {key.generator_cell}); "
        f"made with dvbpr-bench {made.get('suite_version', 'unknown')} on "
        f"{made.get('cpu', 'unknown processor')}, device {key.device}."
    )


def _firsts(blocks: Sequence[Block]) -> list[tuple[DesignsRecord, Judged]]:
    return [(record, next(iter(judged.values()))) for record, judged, _ in blocks]


def _once(lines: Iterable[str | None]) -> list[str]:
    return [line for line in dict.fromkeys(lines) if line is not None]
