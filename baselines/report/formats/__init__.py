"""A file per format of a report: terminal, Markdown, JSON, HTML, the summary of a job, the issue on GitHub."""
