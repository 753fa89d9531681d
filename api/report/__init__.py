"""The HTML report of `transitive demo` and `transitive report`: a self-contained index.html and a report.json."""
