"""Typed requests for jobs: one frozen dataclass per kind of job, with its defaults, its validation and the job's id.

The command line, the REST API and the stages share these classes, so the same request has the same job id from either.
A request is stored as JSON in `Job.arguments`; `parse_request` also reads the JSON of earlier versions.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from hashlib import blake2b
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from graph.errors import InvalidInput
from graph.linking.parameters import LARGEST_SEED, LinkParameters
from graph.printable import printable
from graph.records import JobKind
from training.recipes import get_recipe, with_iterations
from workers.importing.sequences import TrackFormat
from workers.mining.recipe import Mining

if TYPE_CHECKING:
    from workers.mining.survey import Segment  # imports PyAV, which the API and most workers do not need

# fields without influence on the result: location and name of a file, the mode of resuming, parts of the job's title
_NOT_IN_ID = frozenset({"path", "name", "media", "resume", "segments"})


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """Mine one video file (sections 4.1 and 4.3)."""

    kind: ClassVar[JobKind] = "ingest"

    path: str
    video: str = ""  # expected BLAKE2b hash of the file's bytes; "": not checked
    name: str = ""  # displayed name; "": the file's name
    mining: Mapping[str, Any] = field(default_factory=dict)  # fields of `Mining` that differ from the settings

    def __post_init__(self) -> None:
        unknown = sorted(set(self.mining) - {known.name for known in fields(Mining)})
        if unknown:
            raise InvalidInput(f"Unknown mining parameter {', '.join(unknown)}.")
        replace(Mining(), **self.mining)  # raises InvalidInput for invalid values

    @property
    def target(self) -> str:
        """The job's name in lists."""
        return printable(self.name or PurePath(self.path).name)


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """Mine one segment of a long video; its ingest job submits these."""

    kind: ClassVar[JobKind] = "segment"

    path: str
    video: str
    mining: Mining
    segment: "Segment"
    segments: int = 0  # number of segments of the video

    @property
    def target(self) -> str:
        """The job's name in lists."""
        return f"{printable(PurePath(self.path).name)}, segment {self.segment.number + 1} of {self.segments}"


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Import the tracks of one video or of one series of pictures, which another tool made."""

    kind: ClassVar[JobKind] = "import"

    path: str  # annotation file, or folder of an object's pictures
    name: str  # of the sequence in it
    format: TrackFormat
    video: str  # hash of the media and of the tracks
    media: str = ""  # video, or folder of its frames; "": beside the tracks
    tool: str = ""  # that made the tracks; "": named after the format
    track_length: int = Mining().track_length  # frames from A to A' (section 4.3)

    def __post_init__(self) -> None:
        if self.track_length < 1:
            raise InvalidInput("The track's length must be one frame at least.")

    @property
    def target(self) -> str:
        """The job's name in lists."""
        return printable(self.name)


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """Link all ready videos, or join new videos to the current generation (section 4.2)."""

    kind: ClassVar[JobKind] = "link"

    features: str = ""  # a model's id or "hog"; "": the newest model of recipe `start`
    start: str = ""  # "context" or "contrast"; "": the newest of either
    preset: str = ""  # preset for that model if it must be trained first; "": one that fits the device
    join: bool = False  # keep the parents, features and parameters of the current generation
    parameters: LinkParameters = field(default_factory=LinkParameters)

    def __post_init__(self) -> None:
        get_recipe("transitive", self.preset or "paper", self.start)
        self.parameters.check()
        if self.join and (self.start or self.preset or self.parameters != LinkParameters()):
            raise InvalidInput("join uses the features and parameters of the current generation. Give no others.")

    @property
    def target(self) -> str:
        """The job's name in lists."""
        return self.features or self.start or "the newest start"


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Train a recipe on the current generation (section 5)."""

    kind: ClassVar[JobKind] = "train"

    recipe: str
    preset: str = "paper"
    start: str = ""  # "context" or "contrast"; "": the preset's
    seed: int = 0
    iterations: int = 0  # number of steps; 0: the preset's
    images: str = ""  # folder of additional pictures for stage 0
    initial: str = ""  # model folder to start from (a file for recipe imagenet); "": the newest of stage 0
    generation: str = ""  # generation to train on; "": the current one
    output: str = ""  # folder to train in; "": the model's own
    resume: bool = False  # whether to fail if there is no checkpoint to resume from

    def __post_init__(self) -> None:
        usual, asked = get_recipe(self.recipe, self.preset), get_recipe(self.recipe, self.preset, self.start)
        if not 0 <= self.seed <= LARGEST_SEED or not 0 <= self.iterations <= LARGEST_SEED:
            raise InvalidInput(f"seed and iterations must be between 0 and {LARGEST_SEED}.")
        # an explicit start or length that equals the preset's gives the same training, so the same id
        if asked == usual:
            object.__setattr__(self, "start", "")
        if with_iterations(asked, self.iterations) == asked:
            object.__setattr__(self, "iterations", 0)

    @property
    def target(self) -> str:
        """The job's name in lists."""
        return f"{self.recipe} ({self.preset})"


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Compute the missing embeddings of all patches."""

    kind: ClassVar[JobKind] = "embed"

    model: str = ""  # model's id; "": the newest model with an embedding

    @property
    def target(self) -> str:
        """The job's name in lists."""
        return self.model


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """Bring a model's vector index up to date with its embeddings."""

    kind: ClassVar[JobKind] = "index"

    model: str

    @property
    def target(self) -> str:
        """The job's name in lists."""
        return self.model


@dataclass(frozen=True, slots=True)
class MapRequest:
    """Lay a model's embeddings out in two dimensions."""

    kind: ClassVar[JobKind] = "map"

    model: str

    @property
    def target(self) -> str:
        """The job's name in lists."""
        return self.model


JobRequest = (
    IngestRequest
    | SegmentRequest
    | ImportRequest
    | LinkRequest
    | TrainRequest
    | EmbedRequest
    | IndexRequest
    | MapRequest
)


def job_id(request: JobRequest) -> str:
    """Return the id of the request's job: 24 hexadecimal digits.

    The id is the hash of the kind and of the fields that differ from their defaults. A new field with a default
    therefore does not change the ids of older requests.
    """
    plain = asdict(request)
    named = {one.name: plain[one.name] for one in fields(request) if _identifies(one, getattr(request, one.name))}
    text = json.dumps([request.kind, named], sort_keys=True, ensure_ascii=False)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()  # a path may be no UTF-8


def to_arguments(request: JobRequest) -> dict[str, Any]:
    """Return the request as a dict of JSON values for the (:Job) node; link parameters are not nested."""
    arguments = asdict(request)
    arguments.update(arguments.pop("parameters", {}))
    return arguments


def parse_request(kind: JobKind, arguments: Mapping[str, Any]) -> JobRequest:
    """Read a stored request; missing fields get their defaults. Raises `InvalidInput` if it cannot be read."""
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        match kind:
            case "ingest":
                return IngestRequest(**given)
            case "segment":
                return _segment_request(given)
            case "import":
                return ImportRequest(**given)
            case "link":
                names = {one.name for one in fields(LinkParameters)}
                parameters = LinkParameters(**{name: given.pop(name) for name in names & set(given)})
                return LinkRequest(**given, parameters=parameters)
            case "train":
                return TrainRequest(**given)
            case "embed":
                return EmbedRequest(**given)
            case "map":
                return MapRequest(**given)
            case "index":
                return IndexRequest(**given)
    except (TypeError, KeyError) as error:
        raise InvalidInput(
            f"This {kind} job was submitted by another version of this program ({error}). Submit it again."
        ) from None


def _segment_request(given: Mapping[str, Any]) -> SegmentRequest:
    from workers.mining.survey import Segment

    nested = {"mining": Mining(**given["mining"]), "segment": Segment(**given["segment"])}
    return SegmentRequest(**{**given, **nested})


def _identifies(one: "Field[Any]", value: object) -> bool:
    default = one.default_factory() if one.default_factory is not MISSING else one.default
    return one.name not in _NOT_IN_ID and value != default
