# Alpine, because its binaries are static on musl. A static glibc would still load its name service
# from the machine's libraries at run time, and in an empty image no name of an upstream would
# resolve. musl's slow allocator does not matter: the binary brings mimalloc.
FROM rust:1.95-alpine AS build
# A C compiler and make for AWS-LC, SQLite and mimalloc; perl and cmake for targets where AWS-LC
# wants them.
# hadolint ignore=DL3018
RUN apk add --no-cache build-base cmake perl
WORKDIR /src

# Dependencies first, on an empty crate: they stay in the cache until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p benches src tests/it \
    && echo 'fn main() {}' > src/main.rs \
    && cp src/main.rs benches/allowlist.rs \
    && cp src/main.rs benches/convert.rs \
    && cp src/main.rs benches/hostile.rs \
    && cp src/main.rs benches/spool.rs \
    && cp src/main.rs tests/it/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin postgate

COPY src src
COPY config.toml ./
# The empty crate is newer than the copied files: cargo would keep it.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin postgate \
    && mkdir /empty

# Nothing but the binary: no shell, no package, nothing to patch but postgate itself. The list of
# certificate authorities is compiled in.
FROM scratch
COPY --from=build /src/target/release/postgate /postgate
# An anonymous volume takes over owner and mode of what the image has there.
COPY --from=build --chown=65532:65532 /empty /data

# A number, so that Kubernetes can see that it is not root. No name stands for it: there is no
# /etc/passwd.
USER 65532:65532
# With the working directory at the root, the default configuration is /config.toml and the default
# spool, `data/spool.db` beside it, lies in the volume. The rest of the root may be read-only.
WORKDIR /
VOLUME /data
# [listen] and [admin]. Publish the second to nobody but your monitoring.
EXPOSE 8443 9900
# Stops accepting, answers what is under way, writes down what is undelivered, ends.
STOPSIGNAL SIGTERM
# Of life, not of readiness: a restart does not help against a full spool. Reads /config.toml; for
# another place, give `--config` to both commands.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/postgate", "healthcheck"]
ENTRYPOINT ["/postgate"]
