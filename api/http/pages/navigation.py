"""The sections of the pages, in the order of the work: videos, links, representations, the system."""

NAVIGATION: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (  # heading, then (key, title, address)
    ("", (("overview", "Overview", "/browse"),)),
    (
        "Data",
        (
            ("add", "Add videos", "/browse/add"),
            ("videos", "Videos", "/browse/videos"),
            ("patches", "Patches", "/browse/patches"),
        ),
    ),
    (
        "Links",
        (
            ("quadruples", "Quadruples", "/browse/quadruples"),
            ("clusters", "Clusters", "/browse/clusters"),
            ("generations", "Generations", "/browse/generations"),
        ),
    ),
    (
        "Representation",
        (
            ("search", "Search by picture", "/browse/search"),
            ("map", "Map", "/browse/map"),
            ("models", "Models", "/browse/models"),
        ),
    ),
    ("System", (("jobs", "Jobs", "/browse/jobs"), ("api", "API", "/docs"))),
)
