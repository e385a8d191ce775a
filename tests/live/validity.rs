//! Planted stalls: each part of the tool is stopped during a run, which must then be inconclusive and name the part. The
//! same stop by a fault of the scenario is no reason for doubt.
//!
//! If redis-server or PostgreSQL is not installed, the tests that need them print that they are skipped; with `CI` set they
//! fail.

use std::time::Duration;

use crate::command::{Ended, Workplace};
use crate::machine;
use crate::processes::{Process, Running, assert_gone};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::Value;
use tiketi_stores::Programs;

/// Twenty buyers, of whom one at a time may shop, in six seconds of real time: some wait until the end.
///
/// The limits on delays are far above what a busy machine causes, and below a stop of [`STOPPED`].
const WAITING: &str = r#"# Is a stalled tool noticed?
name = "waiting"
seed = 3

[clock]
duration = "60s"
warmup   = "0s"
speed    = 10

[show]
sections = [{ name = "A", rows = 4, seats_per_row = 10, price = 1_000 }]

[waiting_room]
active_max = 1

[[arrivals]]
shape          = "onsale"
buyers         = 20
opens_at       = "2s"
waiting_before = 0.5
decay          = "2s"
until          = "8s"

[buyers]
call_timeout = "60s"
browse       = { distribution = "uniform", from = "200ms", to = "500ms" }
patience     = "10m"
seat_pick    = { distribution = "uniform", from = "1s", to = "2s" }
payment      = { distribution = "uniform", from = "5s", to = "6s" }
pays         = 1.0

[gates]
"tickets_sold" = ["count >= 1"]

[self_check]
send_lag_p99_max = "1m"
stall_max        = "1500ms"
"#;

/// The same sale for as long as the stops of several parts take, even if it starts slowly.
const LONG: [&str; 4] = ["run", "waiting.toml", "--duration", "100s"];

/// The same on real servers.
const SERVERS: [&str; 6] = [
    "run",
    "waiting.toml",
    "--duration",
    "100s",
    "--data-tier",
    "servers",
];

/// Real time for which a part is stopped.
const STOPPED: Duration = Duration::from_millis(2_000);

const STALLS: &str = "no part of the tool stalled";

fn workplace(more: &str) -> Workplace {
    let workplace = Workplace::new();
    workplace.write("waiting.toml", format!("{WAITING}{more}"));
    workplace
}

/// Waits while the run goes on.
#[expect(
    clippy::disallowed_methods,
    reason = "the run takes real time, and there is no event to wait for"
)]
fn pass(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until buyers are in the queue.
fn wait_for_a_queue(running: &mut Running) {
    running.wait_for(|line| {
        let mut parts = line.split(" · ");
        let waiting = parts.find_map(|part| part.strip_suffix(" waiting"));
        waiting.is_some_and(|count| count != "0")
    });
}

/// A child with this hidden subcommand.
fn child(running: &Running, role: &str) -> Process {
    let children = running.children();
    let found = children.iter().find(|child| child.arguments == [role]);
    let found = found.unwrap_or_else(|| panic!("no {role}: {children:?}"));
    found.clone()
}

/// The only report's summary.
fn summary(workplace: &Workplace) -> Value {
    let entries = std::fs::read_dir(workplace.path("reports")).expect("there is a report");
    let folders: Vec<_> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    let [folder] = folders.as_slice() else {
        panic!("not one report: {folders:?}");
    };
    let text = std::fs::read_to_string(folder.join("summary.json"));
    serde_json::from_str(&text.expect("it has a summary")).expect("the summary is JSON")
}

/// Whether a validity check passed, and its evidence.
fn check(summary: &Value, name: &str) -> (bool, String) {
    let checks = summary["validity"].as_array().expect("a list of checks");
    let check = checks.iter().find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("no check `{name}`: {checks:?}"));
    let evidence = check["evidence"].as_str().expect("it has evidence");
    (check["ok"] == true, evidence.to_owned())
}

/// Asserts that the run is inconclusive because all of these parts stalled; returns the evidence.
fn assert_stalled(ended: &Ended, workplace: &Workplace, parts: &[&str]) -> String {
    assert_eq!(ended.code, Some(91), "{ended:#?}");
    let (ok, evidence) = check(&summary(workplace), STALLS);
    assert!(!ok, "{evidence}");
    for part in parts {
        assert!(evidence.contains(part), "`{part}` is not in `{evidence}`");
    }
    assert!(ended.stdout.contains(&evidence), "{ended:#?}");
    evidence
}

#[test]
fn stopped_supervisor_makes_the_run_inconclusive() {
    let _machine = machine::half();
    let workplace = workplace("");
    let mut running = Running::start(&workplace, &["run", "waiting.toml"]);
    running.wait_for_buyers();
    running.stop();
    pass(STOPPED);
    running.resume();
    let ended = running.finish();
    let evidence = assert_stalled(&ended, &workplace, &["the supervisor stood still for "]);
    // Its instances are threads, and stop with it: that is one stall, not three.
    assert!(!evidence.contains("instance"), "{evidence}");
}

#[test]
fn stopped_worker_and_node_make_the_run_inconclusive() {
    let _machine = machine::half();
    let workplace = workplace("");
    let mut running = Running::start(&workplace, &LONG);
    wait_for_a_queue(&mut running);
    let children = running.children();
    let worker = child(&running, "worker");
    worker.stop();
    pass(STOPPED);
    worker.resume();
    // This one cannot tell that it stalls: it is stopped until the end.
    child(&running, "alb-node").stop();
    let ended = running.finish();
    let parts = [
        "load worker 1 stood still for ",
        "the load-balancer node of zone ",
    ];
    assert_stalled(&ended, &workplace, &parts);
    assert_gone(&children);
    // The waiting buyers of the stopped worker should have polled several times.
    let (ok, evidence) = check(&summary(&workplace), "polls sent when due");
    assert!(!ok, "{evidence}");
}

#[test]
fn instance_paused_by_the_scenario_is_no_stall() {
    let _machine = machine::half();
    let fault = r#"
[[faults]]
at     = "20s"
action = "pause-instances"
zone   = "a"
count  = 1
lasts  = "30s"
"#;
    let workplace = workplace(fault);
    let ended = workplace.run(&["run", "waiting.toml"]);
    let (ok, evidence) = check(&summary(&workplace), STALLS);
    assert!(ok, "{evidence}: {ended:#?}");
}

/// Returns whether the programs are installed; if not, prints so, or fails if `CI` is set.
#[expect(clippy::print_stderr, reason = "a skipped test must be visible")]
fn has_servers() -> bool {
    match Programs::find() {
        Ok(_) => true,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{error}");
            eprintln!("SKIPPED: {error}");
            false
        }
    }
}

/// The descendants whose title starts with this.
fn titled(running: &Running, title: &str) -> Vec<Process> {
    let all = running.descendants().into_iter();
    let found: Vec<_> = all
        .filter(|process| process.title.contains(title))
        .collect();
    assert!(!found.is_empty(), "no {title}: {:?}", running.descendants());
    found
}

/// Stops processes for a while, one part after the other.
fn stall(processes: &[Process]) {
    processes.iter().for_each(Process::stop);
    pass(STOPPED);
    processes.iter().for_each(Process::resume);
}

#[test]
fn stopped_servers_and_instances_make_the_run_inconclusive() {
    if !has_servers() {
        return;
    }
    let _machine = machine::half();
    let workplace = workplace("");
    let mut running = Running::start(&workplace, &SERVERS);
    running.wait_for_buyers();
    stall(&titled(&running, "redis-server 127.0.11."));
    stall(&titled(&running, "postgres"));
    let instance = child(&running, "instance");
    stall(std::slice::from_ref(&instance));
    pass(Duration::from_millis(500));
    instance.kill();
    let ended = running.finish();
    let parts = [
        "instance i-0 ended unexpectedly at ",
        "instance i-0 stood still for ",
        "Redis did not answer for ",
        "the database did not answer for ",
    ];
    assert_stalled(&ended, &workplace, &parts);
}

#[test]
fn primary_paused_by_the_scenario_is_no_stall() {
    if !has_servers() {
        return;
    }
    let _machine = machine::half();
    let fault = r#"
[[faults]]
at     = "20s"
action = "pause-primary"
part   = "redis"
lasts  = "30s"

[[faults]]
at     = "40s"
action = "pause-primary"
part   = "database"
lasts  = "30s"
"#;
    let workplace = workplace(fault);
    let ended = workplace.run(&SERVERS);
    let (ok, evidence) = check(&summary(&workplace), STALLS);
    assert!(ok, "{evidence}: {ended:#?}");
}

/// Runs this thread, and the processes that it starts, on one CPU until dropped.
struct Pinned {
    before: CpuSet,
    cpu: usize,
}

impl Pinned {
    /// Returns `None` on a machine with a single CPU, where nothing can be restricted.
    fn to_one_cpu() -> Option<Self> {
        let before = sched_getaffinity(Pid::from_raw(0)).expect("Linux tells");
        let allowed: Vec<_> = (0..CpuSet::count())
            .filter(|cpu| before.is_set(*cpu).unwrap_or(false))
            .collect();
        let [cpu, _, ..] = allowed.as_slice() else {
            return None;
        };
        let pinned = Self { before, cpu: *cpu };
        pinned.pin();
        Some(pinned)
    }

    /// Restricts the calling thread.
    fn pin(&self) {
        let mut one = CpuSet::new();
        one.set(self.cpu).expect("the CPU exists");
        sched_setaffinity(Pid::from_raw(0), &one).expect("it is allowed");
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        sched_setaffinity(Pid::from_raw(0), &self.before).expect("it was allowed before");
    }
}

#[test]
fn tool_on_one_full_cpu_of_several_is_inconclusive() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let _machine = machine::whole();
    let Some(pinned) = Pinned::to_one_cpu() else {
        return;
    };
    let workplace = workplace("");
    let is_over = AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            pinned.pin();
            while !is_over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let ended = workplace.run(&["run", "waiting.toml"]);
        is_over.store(true, Ordering::Relaxed);
        ended
    });
    assert_eq!(ended.code, Some(91), "{ended:#?}");
    let (ok, evidence) = check(&summary(&workplace), "CPU affinity");
    assert!(!ok, "{evidence}");
    assert!(evidence.starts_with("only 1 of "), "{evidence}");
}

#[test]
fn faults_are_refused_with_a_target_before_anything_is_sent() {
    let fault = r#"
[[faults]]
at     = "20s"
action = "lose-alb-node"
zone   = "a"
lasts  = "30s"
"#;
    let workplace = workplace(fault);
    workplace.write("secret.txt", "secret\n");
    let target = ["--target", "http://127.0.0.1:9", "--token-secret-file"];
    let run = [&["run", "waiting.toml"][..], &target, &["secret.txt"]].concat();
    let ended = workplace.run(&run);
    assert_eq!(ended.code, Some(104), "{ended:#?}");
    let words = "waiting: the fault `lose-alb-node` at 20s cannot be carried out with --target";
    assert!(ended.stderr.contains(words), "{ended:#?}");
    assert!(ended.stderr.contains("hint: "), "{ended:#?}");
    assert!(!workplace.path("reports").exists(), "a run was started");
}
