"""What to run: what a measured configuration promises, the best one of each problem size, and how to start it elsewhere."""
