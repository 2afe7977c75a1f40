"""Choosing hyper-parameters on the validation items (section IV-B)."""
