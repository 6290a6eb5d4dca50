# genrecast in a slim image: two stages, no build tools, no root.
ARG BASE_IMAGE=python:3.12.15-slim-bookworm@sha256:34386ef0cb081344d7ec1c103ba398e6e9f64e9ab3a1509accc92a4e24a07258

FROM ${BASE_IMAGE} AS build
ENV UV_PROJECT_ENVIRONMENT=/opt/genrecast \
    UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 \
    UV_NO_CACHE=1
RUN python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
# Such as "--extra traces".
ARG EXTRAS=
WORKDIR /src
# Dependencies first: they change less often than the code, and are most of the image.
COPY pyproject.toml uv.lock README.md LICENSE ./
# TensorFlow's C++ headers, a seventh of the image, are for who compiles against it.
RUN /opt/uv/bin/uv sync --locked --no-dev ${EXTRAS} --no-install-project \
 && rm -r /opt/genrecast/lib/python3.*/site-packages/tensorflow/include
COPY consumer consumer
COPY contracts contracts
COPY feed feed
COPY genrecast genrecast
COPY model model
COPY producer_sim producer_sim
COPY stack stack
COPY state state
RUN /opt/uv/bin/uv sync --locked --no-dev ${EXTRAS} --no-editable

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="genrecast" \
      org.opencontainers.image.description="Live demand forecasting from click streams" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 genrecast \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin genrecast
COPY --from=build /opt/genrecast /opt/genrecast
# HOME: a user id that the image does not know has none.
ENV PATH=/opt/genrecast/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp
USER 10001
WORKDIR /tmp
ENTRYPOINT ["genrecast"]
CMD ["consume"]
