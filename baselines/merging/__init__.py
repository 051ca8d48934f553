"""One run of the parts of a plan that several machines measured: every reason to refuse first, then the file."""
