"""A benchmark suite for visual recommenders, after Kang et al., ICDM 2017 (DVBPR)."""
