//! The swarm: random valid scenarios, simulated and checked for what must be true of every run.
//!
//! `SWARM_CASES` is the number of scenarios, `SWARM_FIRST` the first of them (`just swarm` runs ten thousand). A failure
//! prints the smallest scenario that shows it, and `SWARM_SEED`, which plays that one again.

mod conservation;
mod relations;
mod scenario;

use std::fmt;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rayon::prelude::*;

use scenario::{Settings, any_scenario};
use tiketi_measure::Measurements;
use tiketi_model::{Progress, Watcher, Wish, simulate};
use tiketi_scenario::{Overrides, Plan, load};

/// Scenarios of the swarm where nothing says otherwise: a few seconds of a debug build.
const CASES: u64 = 200;

/// Runs of the test while a failing scenario is made smaller.
const SHRINKS_MAX: u32 = 2_000;

/// Why a scenario failed, one line per reason.
type Checked = Result<(), String>;

/// Checks `cases` random scenarios, or the one that `SWARM_SEED` names.
fn each_case<S: Strategy<Value = Settings>>(
    test: &str,
    cases: u64,
    strategy: impl Fn() -> S + Sync,
    check: impl Fn(&Settings) -> Checked + Sync,
) {
    let seeds = match number("SWARM_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("SWARM_FIRST").unwrap_or(0);
            first..first + cases
        }
    };
    let failure = seeds
        .into_par_iter()
        .find_map_first(|seed| one_case(seed, &strategy(), &check).map(|failure| (seed, failure)));
    if let Some((seed, Failure { reason, smallest })) = failure {
        panic!(
            "{reason}\n\nsmallest scenario, as a file:\n\n{smallest}\nplay it again with\n\
             SWARM_SEED={seed} cargo test --test swarm {test}"
        );
    }
}

struct Failure {
    reason: String,
    smallest: String,
}

/// Draws the scenario of a seed and checks it; a failing one is made smaller first.
fn one_case(
    seed: u64,
    strategy: &impl Strategy<Value = Settings>,
    check: &impl Fn(&Settings) -> Checked,
) -> Option<Failure> {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: SHRINKS_MAX,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let ended = runner.run(strategy, |settings| {
        check(&settings).map_err(TestCaseError::fail)
    });
    let (reason, smallest) = match ended {
        Ok(()) => return None,
        Err(TestError::Fail(reason, settings)) => (reason.to_string(), settings.text()),
        Err(TestError::Abort(reason)) => (reason.to_string(), String::new()),
    };
    Some(Failure { reason, smallest })
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is not a whole number: {text}")))
}

fn cases() -> u64 {
    number("SWARM_CASES").unwrap_or(CASES)
}

fn plan(settings: &Settings) -> Result<Plan, String> {
    let read = load("swarm.toml", &settings.text(), &Overrides::default());
    read.map_err(|problems| format!("a valid scenario was rejected: {problems}"))
}

/// Simulates a scenario, unless it takes more work than a scenario of its size can.
fn play(plan: &Plan) -> Result<Measurements, String> {
    let mut bounded = Bounded {
        entries_max: entries_max(plan),
        entries: 0,
    };
    let run = simulate(plan, &mut bounded);
    if bounded.entries > bounded.entries_max {
        let Bounded {
            entries,
            entries_max,
        } = bounded;
        return Err(format!(
            "the run does not end: {entries} calendar entries at {} of at most {entries_max}",
            run.ending.ended_at
        ));
    }
    Ok(run)
}

/// Calendar entries that a run can need, with room to spare: per buyer, a call in flight or about to be every tenth of a
/// second; and the system's own timers, the fastest of which is also a tenth of a second, for every instance.
fn entries_max(plan: &Plan) -> u64 {
    let tenths = plan.clock.duration.as_secs() * 10;
    let buyers: f64 = plan.arrivals.iter().map(|phase| phase.total()).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few hundred buyers"
    )]
    let buyers = buyers.ceil() as u64;
    // A Poisson count exceeds its mean; twice and thirty more is out of reach.
    let actors = 2 * buyers + 30 + u64::from(plan.scaling.max);
    actors * (tenths + 100)
}

/// Stops a run that makes too many calendar entries.
struct Bounded {
    entries_max: u64,
    entries: u64,
}

impl Watcher for Bounded {
    fn show(&mut self, progress: &Progress) -> Wish {
        self.entries = progress.entries;
        if self.entries > self.entries_max {
            Wish::Stop
        } else {
            Wish::GoOn
        }
    }
}

fn bytes(run: &Measurements) -> String {
    serde_json::to_string(run).expect("measurements have string keys only")
}

/// Fails with what `message` says unless `holds`.
fn ensure(holds: bool, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(message()) }
}

/// Fails unless both are equal.
fn same<T: PartialEq + fmt::Debug>(what: &str, one: &T, other: &T) -> Checked {
    ensure(one == other, || format!("{what}: {one:?} and {other:?}"))
}

#[test]
fn every_scenario_conserves_buyers_seats_and_sums() {
    each_case(
        "every_scenario_conserves",
        cases(),
        any_scenario,
        |settings| {
            let plan = plan(settings)?;
            conservation::check(&play(&plan)?)
        },
    );
}

#[test]
fn every_scenario_gives_the_same_bytes_twice_also_from_its_own_scenario_file() {
    each_case(
        "every_scenario_gives_the_same_bytes",
        cases() / 4,
        any_scenario,
        |settings| {
            let plan = plan(settings)?;
            let run = bytes(&play(&plan)?);
            ensure(run == bytes(&play(&plan)?), || {
                "two runs of one plan differ".to_owned()
            })?;
            let written = plan.to_toml();
            let again = load("scenario.toml", &written, &Overrides::default());
            let again = again.map_err(|problems| format!("{problems}\nin\n{written}"))?;
            // The model knows a scenario only as its plan, so an equal plan gives equal measurements.
            ensure(plan == again, || {
                format!("the scenario as run is another one:\n{written}")
            })
        },
    );
}

/// A check that never fails would be worth nothing: each planted defect must be found.
#[test]
fn planted_defects_are_found() {
    let settings = Settings::default()
        .with("name", "\"planted\"")
        .with("clock.duration", "\"90s\"")
        .with("clock.warmup", "\"0s\"")
        .with("arrivals", "[{ shape = \"poisson\", rate = 2 }]")
        .with("buyers.payment", "\"1s\"");
    let sound = play(&plan(&settings).unwrap()).unwrap();
    assert_eq!(conservation::check(&sound), Ok(()));
    for (name, plant) in conservation::DEFECTS {
        let mut run = sound.clone();
        plant(&mut run);
        assert!(conservation::check(&run).is_err(), "not found: {name}");
    }
}

/// A failing scenario loses every key that does not matter.
#[test]
fn a_failing_scenario_is_made_smaller() {
    let fails = |settings: &Settings| {
        let has_pauses = settings.text().contains("pause-");
        ensure(!has_pauses, || "it has a paused process".to_owned())
    };
    let failure = (0..200).find_map(|seed| one_case(seed, &any_scenario(), &fails));
    let Failure { reason, smallest } = failure.expect("some scenarios pause a process");
    assert!(reason.contains("it has a paused process"), "{reason}");
    assert_eq!(smallest.matches("action =").count(), 1, "{smallest}");
    assert!(!smallest.contains("buyers."), "{smallest}");
}
