"""Pure functions of arrays: AUC and other ranking metrics, significance, image metrics."""

from bench.evaluation.auc import (
    TIES,
    Ties,
    UserMean,
    auc_per_user,
    cold_users,
    mean_auc,
    mean_over_users,
)
from bench.evaluation.auc_variants import (
    auc_at_k,
    count_pooled,
    limited_auc,
    mean_over_items,
    micro_auc,
)
from bench.evaluation.cold_curve import cold_curve
from bench.evaluation.counts import RankCounts, count_ranks, count_sampled, count_scores
from bench.evaluation.fused import count_factors
from bench.evaluation.image import InceptionScore, category_agreement, inception_score
from bench.evaluation.image_distance import (
    FrechetDistance,
    KernelDistance,
    frechet_distance,
    kernel_distance,
)
from bench.evaluation.quality import Quality, judged_quality
from bench.evaluation.ranking import (
    CUTOFFS,
    Metric,
    metric_means,
    mrr,
    ndcg_at_k,
    ranking_metrics,
    recall_at_k,
)
from bench.evaluation.significance import (
    Interval,
    bootstrap_difference,
    bootstrap_mean,
    holm,
    randomisation_p,
    wilcoxon_p,
)
from bench.evaluation.similarity import Diversity, SsimOptions, opposite_mean_ssim, ssim

__all__ = [
    "CUTOFFS",
    "Diversity",
    "FrechetDistance",
    "InceptionScore",
    "Interval",
    "KernelDistance",
    "Metric",
    "Quality",
    "RankCounts",
    "SsimOptions",
    "TIES",
    "Ties",
    "UserMean",
    "auc_at_k",
    "auc_per_user",
    "bootstrap_difference",
    "bootstrap_mean",
    "category_agreement",
    "cold_curve",
    "cold_users",
    "count_factors",
    "count_pooled",
    "count_ranks",
    "count_sampled",
    "count_scores",
    "frechet_distance",
    "holm",
    "inception_score",
    "judged_quality",
    "kernel_distance",
    "limited_auc",
    "mean_auc",
    "mean_over_items",
    "mean_over_users",
    "metric_means",
    "micro_auc",
    "mrr",
    "ndcg_at_k",
    "opposite_mean_ssim",
    "randomisation_p",
    "ranking_metrics",
    "recall_at_k",
    "ssim",
    "wilcoxon_p",
]
