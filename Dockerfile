# One image for the API and the workers. `--build-arg LOCK=gpu` installs faiss for CUDA 12.
FROM python:3.11-slim-bookworm
ARG LOCK=cpu
RUN useradd --create-home --uid 10001 transitive && mkdir /data && chown transitive /data
WORKDIR /app
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes -r requirements/bootstrap.lock \
 && uv pip sync --system --no-cache --require-hashes requirements/${LOCK}.lock
COPY pyproject.toml README.md LICENSE ./
COPY graph graph
COPY training training
COPY workers workers
COPY api api
COPY transitive_invariance transitive_invariance
RUN uv pip install --system --no-deps --no-build-isolation .
USER transitive
ENV TRANSITIVE_HOME=/data TRANSITIVE_HOST=0.0.0.0 PYTHONUNBUFFERED=1
EXPOSE 8000
CMD ["python", "-m", "api.http.serve", "--port", "8000"]
