"""Benchmark of embedding pictures over HTTP, against the encoder called directly.

    python -m tests.benchmarks.api_encoding [--presets cpu-small paper] [--seconds 20]

`POST /embeddings` receives 64 pictures a request from two connections that never wait, so pictures of one request are
decoded while those of the other are encoded. The encoder gets 64 decoded pictures a call. Both take turns. The network
is not trained, which changes nothing about its speed.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from graph.records import Model
from tests.benchmarks.api_answers import jpeg
from tests.benchmarks.http_load import load, post
from tests.benchmarks.served import Served, served_api
from training.encoder import Encoder
from training.model_folder import write_model
from training.networks import Network
from training.recipes import get_recipe

PICTURES = 64  # of a request
CLIENTS = 2
ROUNDS = 3
_BOUNDARY = "benchmark"


@dataclass
class Encoded:
    """Pictures encoded in some time."""

    pictures: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.seconds


def form(jpegs: list[bytes]) -> bytes:
    """Return the body of a form with these pictures."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="%d.jpg"\r\n\r\n'
    parts = [(head % number).encode() + data + b"\r\n" for number, data in enumerate(jpegs)]
    return b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()


def encode(encoder: Encoder, patches: NDArray[np.uint8], seconds: float) -> Encoded:
    """Call the encoder for some seconds."""
    begin, calls = time.perf_counter(), 0
    while not calls or time.perf_counter() - begin < seconds:
        encoder.embed(patches)
        calls += 1
    return Encoded(calls * len(patches), time.perf_counter() - begin)


def write_untrained(home: Path, preset: str) -> Model:
    """Write a model of this preset into the home's models folder."""
    recipe = get_recipe("transitive", preset)
    network = Network(recipe)
    model = Model(f"transitive-{preset}", "transitive", preset, 0, network.pool5_dim, network.embedding_dim, "", "2026")
    folder = home / "data" / "models" / model.id
    folder.mkdir(parents=True)
    write_model(folder, network, recipe, model, {})
    return model


def measure(home: Path, api: Served, model: Model, seconds: float) -> None:
    """Measure an encoder directly and over HTTP, and print both rates."""
    encoder = Encoder.load(home / "data" / "models" / model.id, "cpu")
    random = np.random.default_rng(6)
    jpegs = [jpeg(random) for _ in range(PICTURES)]
    patches = encoder.decode(jpegs)
    kind = f"multipart/form-data; boundary={_BOUNDARY}"
    requests = [post(f"/embeddings?model={model.id}", form(jpegs), kind, "application/x-npy")]
    direct, ours = Encoded(), Encoded()
    load(api.port, api.process, requests, CLIENTS, 1.0)  # the first request loads the model
    encode(encoder, patches, 1.0)
    for _ in range(ROUNDS):
        one = encode(encoder, patches, seconds / ROUNDS)
        direct = Encoded(direct.pictures + one.pictures, direct.seconds + one.seconds)
        sent = load(api.port, api.process, requests, CLIENTS, seconds / ROUNDS)
        ours = Encoded(ours.pictures + PICTURES * len(sent.latencies), ours.seconds + sent.seconds)
    print(f"{model.preset:10} POST /embeddings {ours.rate:7.1f} pictures/s   ", end="")
    print(f"encoder called directly {direct.rate:7.1f}   {100 * ours.rate / direct.rate:.0f} % of its rate", flush=True)


def main() -> None:
    """Measure each preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["cpu-small", "paper"])
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        home = Path(folder)
        models = [write_untrained(home, preset) for preset in arguments.presets]
        with served_api(home, models) as api:
            for model in models:
                measure(home, api, model, arguments.seconds)


if __name__ == "__main__":
    main()
