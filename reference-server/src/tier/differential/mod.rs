//! The pure tier, and Redis with PostgreSQL, do the same: random commands run on both, and every answer and the final
//! state must agree.
//!
//! The Lua scripts and the SQL functions implement what the pure tier implements. Nothing else keeps the two in sync.
//!
//! ```text
//! commands ──┬──▶ Pure ──────▶ Instances ── Cache, Database ──▶ embedded tier        (clock moved by hand)
//!            └──▶ Servers ───▶ Instances ── Cache, Database ──▶ Redis, PostgreSQL    (contents made older)
//! ```
//!
//! A failure prints the shortest commands that still differ, and is kept in `proptest-regressions/differential.txt`:
//! later runs try it first. `PROPTEST_CASES` sets the number of cases.

mod command;
mod fixture;
mod instances;
mod planted;
mod pure;
mod reply;
mod servers;
mod subject;

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};
use tokio::runtime::{Builder, Runtime};

use command::{Command, commands};
use planted::{Difference, Planted};
use pure::Pure;
use servers::{Machines, Servers};
use subject::{Subject, compare};

/// Cases of the property, unless `PROPTEST_CASES` is set.
const CASES: u32 = 64;

/// Cases in which a planted difference may stay hidden.
const PLANTED_CASES: u32 = 500;

/// Failed cases that are kept.
const REGRESSIONS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/proptest-regressions/differential.txt"
);

/// The servers that run now.
static SHARED: Mutex<Weak<Mutex<Stage>>> = Mutex::new(Weak::new());

/// Servers for the tests of this file, and the runtime of their links and connections.
struct Stage {
    /// `None` once they are stopped.
    machines: Option<Machines>,
    runtime: Runtime,
}

impl Stage {
    /// The servers that other tests use now, or new ones; `None`, with a message, on a machine without them.
    fn shared() -> Option<Arc<Mutex<Self>>> {
        let mut shared = lock(&SHARED);
        if let Some(stage) = shared.upgrade() {
            return Some(stage);
        }
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let machines = Some(runtime.block_on(Box::pin(Machines::start()))?);
        let stage = Arc::new(Mutex::new(Self { machines, runtime }));
        *shared = Arc::downgrade(&stage);
        Some(stage)
    }

    /// Runs one case.
    fn run(
        &mut self,
        subject: &mut impl Subject,
        commands: &[Command],
    ) -> Result<(), TestCaseError> {
        let machines = self.machines.as_mut().expect("they run until the end");
        self.runtime.block_on(Box::pin(async {
            let mut servers = Box::pin(Servers::begin(machines)).await;
            let compared = Box::pin(compare(subject, &mut servers, commands)).await;
            let is_late = servers.is_late();
            servers.end().await;
            if is_late {
                return Err(TestCaseError::reject(
                    "the machine is too slow for this case",
                ));
            }
            compared.map_err(|difference| TestCaseError::fail(difference.to_string()))
        }))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(machines) = self.machines.take() {
            self.runtime.block_on(machines.stop());
        }
    }
}

/// Locks even after a failed test: the servers are as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn the_pure_tier_and_the_servers_give_the_same_answers() {
    let Some(stage) = Stage::shared() else { return };
    let stage = RefCell::new(lock(&stage));
    let defaults = Config::default();
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    let config = Config {
        cases: if is_set { defaults.cases } else { CASES },
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        max_shrink_iters: 300,
        max_shrink_time: 120_000,
        ..defaults
    };
    let run = |commands: Vec<Command>| stage.borrow_mut().run(&mut Pure::begin(), &commands);
    if let Err(error) = TestRunner::new(config).run(&commands(), run) {
        panic!("{error}");
    }
}

/// Expects that the comparison finds a planted difference.
///
/// The cases are the same each time. The servers see only the first one in which the difference shows: the other cases
/// are sorted out by a comparison of the pure tier with itself, which takes no time.
fn is_caught(difference: Difference) {
    let Some(stage) = Stage::shared() else { return };
    let stage = RefCell::new(lock(&stage));
    let config = Config {
        cases: PLANTED_CASES,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&commands(), |commands| {
        let mut stage = stage.borrow_mut();
        let mut planted = Planted::begin(difference);
        let shows = stage.runtime.block_on(Box::pin(async {
            let mut pure = Pure::begin();
            let compared = Box::pin(compare(&mut planted, &mut pure, &commands));
            compared.await.is_err()
        }));
        match shows {
            true => stage.run(&mut Planted::begin(difference), &commands),
            false => Ok(()),
        }
    });
    match outcome {
        Err(TestError::Fail(reason, _)) => println!("{difference:?} is caught: {reason}"),
        other => panic!("{difference:?} is not caught: {other:?}"),
    }
}

#[test]
fn a_planted_off_by_one_in_positions_after_a_leave_is_caught() {
    is_caught(Difference::PositionAfterLeave);
}

#[test]
fn a_planted_loss_of_the_place_on_refresh_is_caught() {
    is_caught(Difference::RefreshLosesPlace);
}

#[test]
fn a_planted_hold_that_expires_at_the_wrong_end_of_its_interval_is_caught() {
    is_caught(Difference::HoldExpiresLate);
}

#[test]
fn a_planted_payment_after_expiry_is_caught() {
    is_caught(Difference::PaymentAfterExpiry);
}

#[test]
fn a_planted_loss_of_a_shopping_slot_in_a_failover_is_caught() {
    is_caught(Difference::SlotLostInFailover);
}

#[test]
fn a_planted_failover_without_loss_is_caught() {
    is_caught(Difference::FailoverLosesNothing);
}
