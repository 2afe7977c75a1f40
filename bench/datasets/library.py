"""The data sets at hand: folders under one data directory, made on first use."""

from pathlib import Path
