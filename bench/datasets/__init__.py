"""Data sets: what a recommender sees, how they are stored, and where each one comes from."""
