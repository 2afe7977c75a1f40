"""Planning and running experiments: cells, their store, and where each number comes from."""
