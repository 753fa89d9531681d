"""The presets of detection trainings: the paper's numbers (sections 6.2, 6.3), and smaller ones of the same losses."""

from dataclasses import dataclass, replace

from graph.errors import InvalidInput
from training.evaluation.detection.dataset import Metric
from training.evaluation.head_training import Schedule

HEADS = ("fast", "faster")


@dataclass(frozen=True)
class DetectionPreset:
    """All numbers of a detection training except the seed."""

    name: str
    head: str  # fast or faster
    schedule: Schedule
    shorter: int  # pixels of a picture's shorter side
    longer: int  # maximum pixels of its longer side
    hidden: int  # of fc6 and fc7
    deviation: float  # of their Gaussian; 0: torch's default, because 0.001 lets narrow layers vanish
    batch: int  # pictures
    rois: int  # number of regions per picture on which the head is trained
    anchors: tuple[int, ...]  # sides in pixels of the resized picture


def get_preset(name: str, head: str, metric: Metric = "voc07") -> DetectionPreset:
    """Return a preset: `paper`, `gpu-small` or `cpu-small`; the metric's data set decides the paper's schedule.

    Section 6.3 trains Faster R-CNN on 8 GPUs, with one picture each as py-faster-rcnn does: a batch of 8. That code's
    anchors for COCO have a fourth size. Raises `InvalidInput`.
    """
    if head not in HEADS:
        raise InvalidInput(f"Unknown head {head!r}. Heads: {', '.join(HEADS)}.")
    if metric == "coco" and head != "faster":
        raise InvalidInput("COCO's table 4 is Faster R-CNN's. Give --head faster with --format coco.")
    common = (600, 1000, 4096, 0.001)
    if head == "fast":
        fast = Schedule(150_000, 0.00025, drops=(50_000, 100_000))
        paper = DetectionPreset("paper", head, fast, *common, 2, 64, ())
    elif metric == "voc07":
        voc = Schedule(35_000, 0.00025, drops=(15_000, 30_000))
        paper = DetectionPreset("paper", head, voc, *common, 8, 128, (128, 256, 512))
    else:
        coco = Schedule(120_000, 0.001, drops=(80_000,))
        paper = DetectionPreset("paper", head, coco, *common, 8, 128, (64, 128, 256, 512))
    presets = {
        "paper": paper,
        "gpu-small": replace(
            paper,
            name="gpu-small",
            schedule=Schedule(4_000, 0.001, drops=(3_000,)),
            shorter=400,
            longer=667,
            hidden=1024,
            batch=2,
        ),
        "cpu-small": replace(
            paper,
            name="cpu-small",
            schedule=Schedule(400, 0.01, drops=(300,), gradient_clip=5.0, checkpoint_every=50),
            shorter=160,
            longer=256,
            hidden=128,
            deviation=0.0,
            batch=2,
            rois=64,
            anchors=(32, 64, 128),
        ),
    }
    if name not in presets:
        raise InvalidInput(f"Unknown preset {name!r}. Presets: {', '.join(presets)}.")
    return presets[name]


def with_iterations(preset: DetectionPreset, iterations: int) -> DetectionPreset:
    """Set the number of steps; the rate drops at the same fractions of the schedule."""
    schedule = preset.schedule
    drops = tuple(drop * iterations // schedule.iterations for drop in schedule.drops)
    return replace(preset, schedule=replace(schedule, iterations=iterations, drops=drops))
