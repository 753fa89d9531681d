"""Measures of a running training come in, texts of what is going wrong go out; each alarm sounds once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 5  # measurements in a row
HEALTH_DROP = {"auc": 0.05, "recall@1": 0.1}  # of a held-out measure below its best; AUC alone is soon near 1


@dataclass
class Alarms:
    """Watches for batches that teach nothing, for collapse and for falling held-out health."""

    margin: float
    at_margin: int = 0
    in_vain: int = 0
    best_rank: float = 0.0
    best_health: dict[str, float] = field(default_factory=dict)
    sounded: list[str] = field(default_factory=list)

    def watch_batch(self, mean_hinge: float, rank: float, without_negative: float) -> list[str]:
        """Look at one mini-batch: the mean hinge of its triplets, the effective rank of its embeddings, unused pairs.

        When all images get the same vector every hinge is exactly the margin. `without_negative` is the share of pairs
        that no patch may be the negative of: where that is most of them, the loss is small and says nothing.
        """
        self.at_margin = self.at_margin + 1 if abs(mean_hinge - self.margin) < 1e-4 * self.margin else 0
        self.best_rank = max(self.best_rank, rank)
        found = []
        if self.at_margin >= PATIENCE:
            found += self._once("collapse", f"the loss stays at the margin {self.margin}: all images look the same")
        self.in_vain = self.in_vain + 1 if without_negative > 0.5 else 0
        if self.in_vain >= PATIENCE:
            text = f"{without_negative:.0%} of the pairs have no negative: link in more parents, or ingest more videos"
            found += self._once("negatives", text)
        if rank < 0.3 * self.best_rank:
            found += self._once("rank", f"the effective rank fell from {self.best_rank:.1f} to {rank:.1f}: collapsing")
        return found

    def watch_health(self, measured: Mapping[str, float]) -> list[str]:
        """Look at the measures on held-out videos; {} where none is held out."""
        found = []
        for name, drop in HEALTH_DROP.items():
            if name not in measured:
                continue
            best = self.best_health[name] = max(self.best_health.get(name, 0.0), measured[name])
            if measured[name] < best - drop:
                text = f"held-out {name} fell from {best:.3f} to {measured[name]:.3f}: overfitting"
                found += self._once("health", text)
        return found

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return dict(vars(self))

    def _once(self, name: str, text: str) -> list[str]:
        if name in self.sounded:
            return []
        self.sounded.append(name)
        return [f"{name}: {text}"]
