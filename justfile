# List the recipes.
default:
    @just --list

# Check formatting, lints, documentation and dependencies; warnings are errors.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    cargo deny check bans licenses sources
    cargo machete

# Run all tests.
test:
    cargo test --workspace

# Run only the checks of the project's own rules.
tidy:
    cargo test --test tidy

# Run a scenario with real traffic on the testbed.
run SCENARIO:
    cargo run --release -- run {{SCENARIO}}

# Simulate random scenarios and check what must be true of every run; `just swarm 500 20000` starts at the 20,000th.
swarm CASES="10000" FIRST="0":
    SWARM_CASES={{CASES}} SWARM_FIRST={{FIRST}} cargo test --release --test swarm

# Validate all scenarios and plan files.
scenarios:
    cargo run --release -- check scenarios/*.toml scenarios/agreement/*.toml scenarios/claims/*.toml scenarios/studies/*.toml scenarios/plans/*.toml

# Accept changed snapshots.
bless:
    BLESS=1 cargo test --workspace

# Try every generated bad, extreme and random value of a scenario, not only a part of them.
values:
    EVERY_CASE=1 cargo test --release --test values

# Check the simulator against queueing theory.
theory:
    cargo run --release -- theory

# Benchmark the calendar and the stations, next to SimPy and Ciw.
peers:
    benches/peers/run

# Fuzz everything that reads input from outside, each target for SECONDS (needs nightly and cargo-fuzz).
fuzz TARGET="all" SECONDS="600":
    fuzz/run {{TARGET}} {{SECONDS}}
