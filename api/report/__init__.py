"""From a filled graph and its files to a self-contained page (index.html) with report.json beside it."""
