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
from bench.evaluation.ranking import CUTOFFS, Metric, mrr, ndcg_at_k, ranking_metrics, recall_at_k
from bench.evaluation.significance import Interval, bootstrap_difference, bootstrap_mean
from bench.evaluation.similarity import Diversity, SsimOptions, opposite_mean_ssim, ssim

__all__ = [
    "CUTOFFS",
    "TIES",
    "Diversity",
    "FrechetDistance",
    "InceptionScore",
    "Interval",
    "KernelDistance",
    "Metric",
    "Quality",
    "RankCounts",
    "SsimOptions",
    "Ties",
    "UserMean",
    "auc_per_user",
    "bootstrap_difference",
    "bootstrap_mean",
    "category_agreement",
    "cold_users",
    "count_factors",
    "count_ranks",
    "count_sampled",
    "count_scores",
    "frechet_distance",
    "inception_score",
    "judged_quality",
    "kernel_distance",
    "mean_auc",
    "mean_over_users",
    "mrr",
    "ndcg_at_k",
    "opposite_mean_ssim",
    "ranking_metrics",
    "recall_at_k",
    "ssim",
]
