# List the recipes.
default:
    @just --list

# Format, lint, document and check the dependencies, warnings denied.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    cargo deny check

# Run every test.
test:
    cargo test --workspace

# Check the layering and the house rules only.
tidy:
    cargo test --test tidy

# Run a scenario live, on the testbed.
run SCENARIO:
    cargo run --release -- run {{SCENARIO}}

# Validate every scenario.
scenarios:
    cargo run --release -- check scenarios/*.toml scenarios/agreement/*.toml scenarios/studies/*.toml scenarios/plans/*.toml

# Accept the changed snapshots.
bless:
    BLESS=1 cargo test --workspace

# Hold the engine against queueing theory.
theory:
    cargo run --release -- theory

# Measure the calendar and the stations, beside SimPy and Ciw.
peers:
    benches/peers/run
