"""The `bench` command: one file per verb."""
