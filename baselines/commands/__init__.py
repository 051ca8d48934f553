"""The commands of `python -m baselines`, a file each."""
