"""Regression of AUC: golden files, fresh results, and the drift between them."""
