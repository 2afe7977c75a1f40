"""Pure functions of scores and counts: AUC and other ranking metrics, significance."""

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
from bench.evaluation.ranking import CUTOFFS, Metric, mrr, ndcg_at_k, ranking_metrics, recall_at_k
from bench.evaluation.significance import Interval, bootstrap_difference, bootstrap_mean

__all__ = [
    "CUTOFFS",
    "TIES",
    "Interval",
    "Metric",
    "RankCounts",
    "Ties",
    "UserMean",
    "auc_per_user",
    "bootstrap_difference",
    "bootstrap_mean",
    "cold_users",
    "count_factors",
    "count_ranks",
    "count_sampled",
    "count_scores",
    "mean_auc",
    "mean_over_users",
    "mrr",
    "ndcg_at_k",
    "ranking_metrics",
    "recall_at_k",
]
