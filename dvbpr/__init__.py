"""DVBPR (Kang et al., ICDM 2017): a CNN that learns users' taste from product images."""
