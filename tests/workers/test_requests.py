"""Tests of requests: job ids, stored JSON, and the JSON of earlier versions."""

import json
from dataclasses import replace

import pytest

from graph.errors import InvalidInput
from graph.linking.parameters import LinkParameters
from workers.mining.recipe import Mining
from workers.mining.survey import Segment
from workers.requests import (
    EmbedRequest,
    IngestRequest,
    JobRequest,
    LinkRequest,
    SegmentRequest,
    TrainRequest,
    job_id,
    parse_request,
    to_arguments,
)

EVERY: list[JobRequest] = [
    IngestRequest("/a/b.mp4", "5f", "b", {"track_length": 15}),
    SegmentRequest("/a/b.mp4", "5f", Mining(stride=5), Segment(number=2, first=9000, begins=7, fps=25.0), 4),
    LinkRequest("hog", preset="demo", parameters=LinkParameters(group=3, seed=1)),
    TrainRequest("tracking", "demo", "context", 2, 50, "/pictures", "/model", "g", "/out", resume=True),
    EmbedRequest("m"),
]


@pytest.mark.parametrize("request_", EVERY, ids=lambda request: request.kind)
def test_a_request_survives_its_storage_as_json(request_: JobRequest) -> None:
    stored = json.loads(json.dumps(to_arguments(request_)))
    assert parse_request(request_.kind, stored) == request_


def test_what_does_not_change_the_work_does_not_change_the_id() -> None:
    assert job_id(IngestRequest("/a/b.mp4", "5f", "b")) == job_id(IngestRequest("/c.mp4", "5f"))
    assert job_id(TrainRequest("tracking", resume=True)) == job_id(TrainRequest("tracking", "paper", seed=0))
    segment = SegmentRequest("/a/b.mp4", "5f", Mining(), Segment(number=2))
    assert job_id(segment) == job_id(replace(segment, path="/c.mp4", segments=4))


@pytest.mark.parametrize(
    ("spelled_out", "left_out"),
    [
        (TrainRequest("tracking", "paper", start="context"), TrainRequest("tracking", "paper")),
        (TrainRequest("tracking", "demo", start="contrast"), TrainRequest("tracking", "demo")),
        (
            TrainRequest("contrast", "demo", start="context"),
            TrainRequest("contrast", "demo"),
        ),  # this recipe has no start
        (TrainRequest("tracking", "demo", iterations=200), TrainRequest("tracking", "demo")),
    ],
)
def test_a_default_spelled_out_is_the_same_work(spelled_out: TrainRequest, left_out: TrainRequest) -> None:
    assert spelled_out == left_out
    assert job_id(spelled_out) == job_id(left_out)


def test_what_changes_the_work_changes_the_id() -> None:
    segment = SegmentRequest("/a", "5f", Mining(), Segment(number=2))
    different = [
        *(TrainRequest(recipe, seed=seed) for recipe in ("tracking", "context") for seed in (0, 1)),
        *(
            TrainRequest("tracking", start=start, preset=preset)
            for start, preset in (("contrast", "paper"), ("context", "demo"))
        ),
        TrainRequest("tracking", "demo", iterations=201),
        *(IngestRequest("/a", "5f", mining=numbers) for numbers in ({}, {"stride": 5}, {"stride": 10})),
        *(LinkRequest(parameters=LinkParameters(seed=seed)) for seed in (0, 1)),
        LinkRequest(join=True),
        EmbedRequest(),
        segment,
        replace(segment, segment=Segment(number=3)),
    ]
    assert len({job_id(one) for one in different}) == len(different)


def test_the_id_of_an_upload_is_the_one_of_earlier_homes() -> None:
    """The id of an ingest job, BLAKE2b of ["ingest", {"video": id}], is unchanged: old homes' uploads use it."""
    assert job_id(IngestRequest("/a", "5f")) == "eb7a5a46469dae0a74b57a2f"


def test_requests_of_earlier_versions_are_read() -> None:
    old_link = {"features": "net", "start": "", "preset": "", "parents": 0, "smallest": 0, "neighbours": 10, "group": 4}
    old_link |= {"seed": 0, "exclude_same_video": True, "join": False}
    assert parse_request("link", old_link) == LinkRequest("net", parameters=LinkParameters(neighbours=10, group=4))
    assert parse_request("train", {"recipe": "tracking", "preset": "demo", "iterations": None}) == TrainRequest(
        "tracking", "demo"
    )


@pytest.mark.parametrize(
    ("kind", "arguments", "reason"),
    [
        ("train", {"recipe": "alchemy"}, "Unknown recipe"),
        ("train", {"recipe": "tracking", "seed": -1}, "between 0 and"),
        ("train", {"recipe": "tracking", "seed": 2**63}, "between 0 and"),
        ("train", {"recipe": "tracking", "iterations": 2**64}, "between 0 and"),
        ("link", {"seed": 2**63}, "seed must be"),
        ("link", {"seed": -1}, "seed must be"),
        ("link", {"neighbours": 1001}, "at most 1000"),
        ("link", {"group": 101}, "at most 100"),
        ("train", {"recipe": "tracking", "colour": 1}, "submitted by another version"),
        ("train", {}, "submitted by another version"),
        ("link", {"start": "nowhere"}, "Unknown start"),
        ("link", {"join": True, "group": 3}, "Give no others"),
        ("ingest", {"path": "a", "mining": {"colour": 1}}, "Unknown mining parameter colour"),
        ("ingest", {"path": "a", "mining": {"stride": 7}}, "multiples of 5 frames"),
    ],
)
def test_impossible_requests_are_refused(kind: str, arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_request(kind, arguments)  # type: ignore[arg-type]
