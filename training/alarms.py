"""Alarms of a running training: batches without a useful gradient, collapse, and falling held-out metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 5  # consecutive measurements
HELD_OUT_DROP = {"auc": 0.05, "recall@1": 0.1}  # drop below the best value; recall is added, because AUC saturates
_OLD_NAMES = {"best_health": "best_held_out"}  # in checkpoints written before 2026-11-28


@dataclass
class Alarms:
    """Monitor of a training's measures; each alarm is raised once."""

    margin: float
    at_margin: int = 0
    at_zero: int = 0
    in_vain: int = 0
    best_rank: float = 0.0
    best_held_out: dict[str, float] = field(default_factory=dict)
    sounded: list[str] = field(default_factory=list)

    @staticmethod
    def from_checkpoint(kept: Mapping[str, Any]) -> "Alarms":
        """Restore alarms from the dictionary that a checkpoint holds."""
        return Alarms(**{_OLD_NAMES.get(name, name): value for name, value in kept.items()})

    def watch_batch(self, mean_hinge: float | None, rank: float, without_negative: float) -> list[str]:
        """Check one mini-batch and return the texts of new alarms.

        Args:
            mean_hinge: mean of its hinges. It equals the margin if all vectors are equal, and 0 if every negative is
                farther than its positive by the margin. None for a loss without hinges.
            rank: effective rank of its embeddings.
            without_negative: share of pairs without an allowed negative. If most pairs have none, the loss is small
                but meaningless.
        """
        at_margin = mean_hinge is not None and abs(mean_hinge - self.margin) < 1e-4 * self.margin
        at_zero = mean_hinge is not None and mean_hinge < 1e-6 and without_negative <= 0.5
        self.at_margin = self.at_margin + 1 if at_margin else 0
        self.at_zero = self.at_zero + 1 if at_zero else 0
        self.best_rank = max(self.best_rank, rank)
        found = []
        if self.at_margin >= PATIENCE:
            found += self._once("collapse", f"the loss stays at the margin {self.margin}: all images look the same")
        if self.at_zero >= PATIENCE:
            text = "the loss stays at 0: every negative is far enough, so the network learns nothing more"
            found += self._once("too easy", text)
        self.in_vain = self.in_vain + 1 if without_negative > 0.5 else 0
        if self.in_vain >= PATIENCE:
            text = f"{without_negative:.0%} of the pairs have no negative: link in more parents, or ingest more videos"
            found += self._once("negatives", text)
        if rank < 0.3 * self.best_rank:
            found += self._once("rank", f"the effective rank fell from {self.best_rank:.1f} to {rank:.1f}: collapsing")
        return found

    def watch_held_out(self, measured: Mapping[str, float]) -> list[str]:
        """Check the metrics of held-out videos ({}: none is held out) and return the texts of new alarms."""
        found = []
        for name, drop in HELD_OUT_DROP.items():
            if name not in measured:
                continue
            best = self.best_held_out[name] = max(self.best_held_out.get(name, 0.0), measured[name])
            if measured[name] < best - drop:
                text = f"held-out {name} fell from {best:.3f} to {measured[name]:.3f}: overfitting"
                found += self._once("health", text)
        return found

    def _once(self, name: str, text: str) -> list[str]:
        if name in self.sounded:
            return []
        self.sounded.append(name)
        return [f"{name}: {text}"]
