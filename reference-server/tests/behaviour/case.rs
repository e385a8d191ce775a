//! Cases and their execution, each on its own thread and runtime.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::say;
use crate::servers::Servers;

/// Timeout of a case.
const CASE_MAX: Duration = Duration::from_secs(120);

/// The data tier of a case.
#[derive(Clone)]
pub(crate) enum On {
    Embedded,
    Servers(Arc<Servers>),
}

/// The tiers on which a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tiers {
    Both,
    Embedded,
    Servers,
}

/// A case: a statement about the server.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) tiers: Tiers,
    pub(crate) run: fn(On) -> Pin<Box<dyn Future<Output = ()>>>,
}

/// Lists the cases of a module and the tiers on which they run.
macro_rules! cases {
    ($($tiers:ident: [$($name:ident),* $(,)?]),* $(,)?) => {
        pub(crate) const CASES: &[crate::case::Case] = &[$($(crate::case::Case {
            name: concat!(module_path!(), "::", stringify!($name)),
            tiers: crate::case::Tiers::$tiers,
            run: |on| Box::pin($name(on)),
        }),*),*];
    };
}
pub(crate) use cases;

/// A case on one of its tiers.
#[derive(Clone, Copy)]
pub(crate) struct Selected {
    case: Case,
    on_servers: bool,
}

impl Selected {
    pub(crate) const fn is_on_servers(&self) -> bool {
        self.on_servers
    }

    /// Returns the name, such as `servers::outage::…`.
    pub(crate) fn name(&self) -> String {
        let tier = if self.on_servers {
            "servers"
        } else {
            "embedded"
        };
        let name = self.case.name.trim_start_matches("behaviour::");
        format!("{tier}::{name}")
    }
}

/// Returns the cases whose names contain one of the arguments; all of them if there are none.
pub(crate) fn select(cases: &[Case], arguments: &[String]) -> Vec<Selected> {
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let on_each = cases.iter().flat_map(|case| {
        let tiers = match case.tiers {
            Tiers::Both => &[false, true][..],
            Tiers::Embedded => &[false],
            Tiers::Servers => &[true],
        };
        tiers.iter().map(|on_servers| Selected {
            case: *case,
            on_servers: *on_servers,
        })
    });
    on_each
        .filter(|case| {
            let name = case.name();
            filters.is_empty() || filters.iter().any(|filter| name.contains(*filter))
        })
        .collect()
}

/// Runs the cases, several in parallel, and returns the names of those that failed.
pub(crate) fn run_all(
    selected: Vec<Selected>,
    servers: Option<&Arc<Servers>>,
    at_once: usize,
) -> Vec<String> {
    let left = Mutex::new(selected.into_iter());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some(case) = next else {
                        return;
                    };
                    if !run(case, servers) {
                        failed.lock().unwrap().push(case.name());
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

/// Runs a case on a thread with its name, so that a panic message names the case.
#[expect(clippy::disallowed_methods, reason = "measures how long a case takes")]
fn run(case: Selected, servers: Option<&Arc<Servers>>) -> bool {
    let on = match servers {
        Some(servers) if case.on_servers => On::Servers(Arc::clone(servers)),
        _ => On::Embedded,
    };
    let begun = Instant::now();
    let thread = std::thread::Builder::new().name(case.name());
    let thread = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let done = tokio::time::timeout(CASE_MAX, (case.case.run)(on));
            done.await.expect("takes too long");
        });
    });
    let is_well = thread.unwrap().join().is_ok();
    let verdict = if is_well { "ok" } else { "FAILED" };
    let took = begun.elapsed().as_secs_f64();
    say(&format!("test {} ... {verdict} ({took:.1} s)", case.name()));
    is_well
}
