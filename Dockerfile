# syntax=docker/dockerfile:1
# The service alone: `docker build -t countersign .`, then `countersign serve` as in docker-compose.yml.
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . .
# The image has the toolchain, but not the components that rust-toolchain.toml asks for.
ENV SQLX_OFFLINE=true RUSTUP_TOOLCHAIN=1.95.0
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin countersign \
    && cp target/release/countersign /countersign

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home countersign
COPY --from=build /countersign /usr/local/bin/countersign
COPY LICENSE /usr/share/doc/countersign/LICENSE
USER 10001
EXPOSE 8080
ENTRYPOINT ["countersign"]
CMD ["serve"]
