"""The embedded default data set: garments drawn by the suite, bought by users of known taste."""

from bench.datasets.synthetic.source import SyntheticFashion, SyntheticOptions

__all__ = ["SyntheticFashion", "SyntheticOptions"]
