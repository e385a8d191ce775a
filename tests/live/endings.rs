//! Every way a run can end: the exit code, the report, and that no process is left.
//!
//! The real binary runs tiny sales, several at a time, because these tests are not about load.

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command::{Ended, Workplace};
use crate::machine;
use crate::processes::{self, Running, assert_gone};
use nix::sys::signal::Signal;
use serde_json::Value;
use tiketi_server::{EmbeddedTier, Instance, Section, Settings, Show};

/// Forty seats for twenty buyers within three seconds of real time. No limit is tight, so that a busy machine passes too.
const TINY: &str = r#"# Does a tiny sale end as expected?
name = "tiny"
seed = 3

[clock]
duration = "30s"
warmup   = "0s"
speed    = 10

[show]
sections = [{ name = "A", rows = 4, seats_per_row = 10, price = 1_000 }]

[waiting_room]
active_max = 10

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
payment      = { distribution = "uniform", from = "1s", to = "2s" }
pays         = 1.0

[gates]
"tickets_sold" = ["count >= 1"]

[self_check]
send_lag_p99_max = "1m"
stall_max        = "1m"
"#;

/// The files of every report.
const FILES: [&str; 5] = [
    "measurements.json.gz",
    "report.html",
    "scenario.toml",
    "summary.json",
    "timeseries.csv",
];

/// Caches of the edge that are empty.
const EMPTY: [(&str, &str); 1] = [(
    "[self_check]",
    "[topology.edge]\ncache = \"empty\"\norigin_latency = \"1s\"\n[self_check]",
)];

/// Changes that make the run long enough for something else to end it.
const LONG: [(&str, &str); 2] = [
    ("duration = \"30s\"", "duration = \"10m\""),
    ("speed    = 10", "speed    = 20"),
];

/// A folder with `tiny.toml`, in which `changes` replace fragments.
fn workplace(changes: &[(&str, &str)]) -> Workplace {
    let mut text = TINY.to_owned();
    for (fragment, other) in changes {
        assert!(text.contains(fragment), "no `{fragment}` in the scenario");
        text = text.replace(fragment, other);
    }
    let workplace = Workplace::new();
    workplace.write("tiny.toml", text);
    workplace
}

/// The report folders, oldest first.
fn reports(workplace: &Workplace) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workplace.path("reports"));
    let mut folders: Vec<_> = entries
        .expect("there are reports")
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect();
    folders.sort();
    folders
}

/// Reads the summary of the only report; asserts that the report is complete and has this exit code.
fn report(workplace: &Workplace, code: i32) -> Value {
    let reports = reports(workplace);
    let [folder] = reports.as_slice() else {
        panic!("not one report: {reports:?}");
    };
    for file in FILES {
        let size = std::fs::metadata(folder.join(file)).map(|found| found.len());
        assert!(size.is_ok_and(|size| size > 0), "{file} of {folder:?}");
    }
    let summary = read(&folder.join("summary.json"));
    assert_eq!(summary["exit_code"], code, "{}", summary["answer"]);
    summary
}

fn read(summary: &Path) -> Value {
    let text = std::fs::read_to_string(summary).expect("the summary is there");
    serde_json::from_str(&text).expect("the summary is JSON")
}

/// The number of buyers who reached a stage.
fn reached(summary: &Value, stage: &str) -> u64 {
    let steps = summary["funnel"].as_array().expect("a list of stages");
    let step = steps.iter().find(|step| step["stage"] == stage);
    let step = step.unwrap_or_else(|| panic!("no stage {stage}"));
    step["buyers"].as_u64().expect("a number of buyers")
}

/// The entry of an audit or check with this name.
fn found<'s>(summary: &'s Value, list: &str, name: (&str, &str)) -> &'s Value {
    let entries = summary[list].as_array().expect("a list");
    let entry = entries.iter().find(|entry| entry[name.0] == name.1);
    entry.unwrap_or_else(|| panic!("no {} in {list}: {entries:?}", name.1))
}

fn assert_code(ended: &Ended, code: i32) {
    assert_eq!(ended.code, Some(code), "{ended:#?}");
}

#[test]
fn page_comes_from_s3_once_per_location_if_caches_are_empty() {
    let _machine = machine::quarter();
    let workplace = workplace(&EMPTY);
    assert_code(&workplace.run(&["run", "tiny.toml"]), 0);
    let summary = report(&workplace, 0);
    let files = &summary["edge"]["counts"]["files"];
    let count = |name: &str| files[name].as_u64().expect("a count");
    assert_eq!(count("requests"), 60);
    assert_eq!(
        count("hits") + count("misses") + count("collapsed"),
        60,
        "{files}"
    );
    // Two locations with three files each.
    assert!((3..=6).contains(&count("misses")), "{files}");
    assert_eq!(count("origin_requests"), count("misses"));
    assert_eq!(count("bytes"), 20 * 111_000);
    let slowest = summary["edge"]["page_load_p99_seconds"].as_f64();
    assert!(slowest >= Some(2.0), "S3 was asked twice: {slowest:?}");
}

#[test]
fn passed_run_exits_with_0_and_prints_how_to_repeat_it() {
    let _machine = machine::quarter();
    let workplace = workplace(&[]);
    let ended = workplace.run(&["run", "tiny.toml", "--buyers", "10"]);
    assert_code(&ended, 0);
    assert!(
        ended.stdout.starts_with("█ Key metrics\n"),
        "{}",
        ended.stdout
    );
    let summary = report(&workplace, 0);
    assert_eq!(reached(&summary, "arrived"), 10);
    assert!(reached(&summary, "paid") > 0);
    // Each buyer's page came from the edge, three files of it, and from nowhere else.
    let front = &summary["edge"]["counts"];
    assert_eq!(front["files"]["requests"], 30);
    assert_eq!(front["files"]["hits"], 30);
    assert_eq!(front["site_astray"], 0);
    assert!(front["site"]["first"].as_u64() > Some(0), "{front}");
    assert!(
        front["load_balancer"]["first"].as_u64() > Some(0),
        "{front}"
    );

    let last = ended.stdout.lines().last().expect("a summary");
    let again = last.trim().strip_prefix("run again: tiketi-sim ");
    let again = again.unwrap_or_else(|| panic!("`{last}` does not say how to run it again"));
    let mut words: Vec<_> = again.split(' ').collect();
    words.push("--quiet");
    let repeated = workplace.run(&words);
    assert_code(&repeated, 0);
    assert_eq!(
        repeated.stdout + &repeated.stderr,
        "",
        "--quiet must print nothing"
    );
    let reports = reports(&workplace);
    assert_eq!(reports.len(), 2);
    let repeated = read(&reports[1].join("summary.json"));
    assert_eq!(repeated["arrivals"], summary["arrivals"]);

    // The scenario in the report is valid.
    let as_run = reports[0].join("scenario.toml");
    let checked = workplace.run(&["check", as_run.to_str().expect("a plain path")]);
    assert_code(&checked, 0);
    assert!(
        checked.stdout.contains("ok (10 buyers, 40 seats"),
        "{checked:?}"
    );
}

#[test]
fn failed_gate_exits_with_99() {
    let _machine = machine::quarter();
    let workplace = workplace(&[("count >= 1", "count >= 1000")]);
    let ended = workplace.run(&["run", "tiny.toml"]);
    assert_code(&ended, 99);
    let summary = report(&workplace, 99);
    assert_eq!(summary["gates"][0]["ok"], false);
    assert!(
        ended
            .stdout
            .contains(" tickets were sold (gate: count >= 1000)."),
        "{ended:?}"
    );
}

#[test]
fn unreliable_measurement_exits_with_91() {
    let _machine = machine::quarter();
    let workplace = workplace(&[("p99_max = \"1m\"", "p99_max = \"1us\"")]);
    let ended = workplace.run(&["run", "tiny.toml"]);
    assert_code(&ended, 91);
    let summary = report(&workplace, 91);
    assert_eq!(
        found(&summary, "validity", ("name", "scheduling delay"))["ok"],
        false
    );
    assert_eq!(
        summary["gates"][0]["ok"], true,
        "the gate is reported as well"
    );
    assert!(ended.stdout.contains("Inconclusive:"), "{ended:?}");
}

/// Redis without a replica is empty when its zone returns, so everybody who was waiting loses their place.
#[test]
fn failed_audit_exits_with_90() {
    let _machine = machine::quarter();
    let faults = r#"active_max = 1

[topology.redis]
primary  = "b"
replica  = "none"
failover = "2s"

[[faults]]
at     = "10s"
action = "az-power-interruption"
zone   = "b"
lasts  = "8s"
"#;
    let workplace = workplace(&[("active_max = 10\n", faults)]);
    let ended = workplace.run(&["run", "tiny.toml"]);
    assert_code(&ended, 90);
    let summary = report(&workplace, 90);
    let audit = found(&summary, "audits", ("audit", "admissions_conserved"));
    assert_eq!(audit["verdict"], "violated", "{audit}");
    let audit = found(&summary, "audits", ("audit", "no_double_sale"));
    assert_eq!(audit["verdict"], "held", "{audit}");
    assert!(
        ended.stdout.contains(" lost their place in the queue"),
        "{ended:?}"
    );
}

#[test]
fn refused_target_exits_with_92_and_gets_no_connection() {
    let workplace = workplace(&[]);
    workplace.write("secret.txt", "secret");
    let run = |target: &str| {
        let target = ["run", "tiny.toml", "--target", target];
        workplace.run(&[&target[..], &["--token-secret-file", "secret.txt"]].concat())
    };
    let refused = run("http://192.0.2.7:3000");
    assert_code(&refused, 92);
    assert!(refused.stderr.contains("does not allow it"), "{refused:?}");
    // If this machine has another address, use it as a foreign target and check that nothing connects.
    if let Some(address) = address_beyond_loopback() {
        let listener = TcpListener::bind((address, 0)).expect("the address is this machine's");
        listener
            .set_nonblocking(true)
            .expect("the socket can be non-blocking");
        let stranger = listener.local_addr().expect("it is bound");
        assert_code(&run(&format!("http://{stranger}")), 92);
        let heard = listener.accept().expect_err("the program must not connect");
        assert_eq!(heard.kind(), std::io::ErrorKind::WouldBlock);
    }
    assert!(!workplace.path("reports").exists(), "a run was started");
}

/// An address of this machine that is not loopback, found without sending a packet; `None` if there is none.
fn address_beyond_loopback() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 7), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn invalid_scenario_exits_with_104_before_anything_starts() {
    let workplace = workplace(&[("speed    = 10", "speed    = 0")]);
    let ended = workplace.run(&["run", "tiny.toml"]);
    assert_code(&ended, 104);
    assert!(ended.stderr.contains("tiny.toml:8:12: "), "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert!(!workplace.path("reports").exists(), "a run was started");
}

#[test]
fn unwritable_report_folder_exits_with_104_before_anything_starts() {
    let workplace = workplace(&[]);
    for out in ["tiny.toml", "tiny.toml/reports"] {
        let ended = workplace.run(&["run", "tiny.toml", "--out", out]);
        assert_code(&ended, 104);
        assert!(
            ended.stderr.contains("cannot write the report to"),
            "{ended:?}"
        );
        assert!(!ended.stderr.contains("testbed"), "it started: {ended:?}");
    }
    let text = std::fs::read_to_string(workplace.path("tiny.toml")).unwrap();
    assert_eq!(text, TINY);
}

#[test]
fn open_file_limit_that_is_too_low_is_refused() {
    let _machine = machine::quarter();
    let workplace = workplace(&[]);
    let program = workplace.program(&["run", "tiny.toml", "--out", "new/reports"]);
    let ended = Command::new("sh")
        .args(["-c", "ulimit -n 300 && exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(workplace.path("."))
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(91), "{stderr}");
    assert!(stderr.contains("the limit is 300"), "{stderr}");
    assert!(
        stderr.contains("ulimit -Hn"),
        "the hint is missing: {stderr}"
    );
    assert!(!workplace.path("new").exists(), "an empty folder is left");
}

/// What a full disk, or a limit on the size of files, leaves of a report.
#[test]
fn no_half_written_file_looks_complete_and_all_exit_codes_agree() {
    let workplace = workplace(&[]);
    let whole = workplace.run(&["simulate", "tiny.toml", "--out", "whole"]);
    assert_code(&whole, 0);
    let mut incomplete = 0;
    // In blocks of 512 or 1,024 bytes, depending on the shell.
    for blocks in [0, 1, 2, 4, 8, 16, 32, 64, 128, 1_000] {
        let out = format!("limited-{blocks}");
        let program = workplace.program(&["simulate", "tiny.toml", "--out", &out]);
        let ended = limited(&workplace, &program, &format!("ulimit -f {blocks}"));
        let code = ended.code.expect("no signal ends it");
        let stated = format!("(exit code {code})");
        assert!(ended.stdout.contains(&stated), "{blocks}: {ended:?}");
        let folder = only_folder(&workplace.path(&out));
        let names = names(&folder);
        for name in names
            .iter()
            .filter(|name| name.as_str() != "measurements.json.gz")
        {
            assert!(FILES.contains(&name.as_str()), "{blocks}: {names:?}");
            let text = std::fs::read_to_string(folder.join(name)).expect("it is text");
            assert_eq!(
                lines(&text),
                lines_of_whole(&workplace, name),
                "{blocks}: {name}"
            );
        }
        if names.iter().any(|name| name == "summary.json") {
            assert_code(&ended, 0);
            assert_eq!(names, FILES, "{blocks}");
            let summary = read(&folder.join("summary.json"));
            assert_eq!(summary["exit_code"], code, "{blocks}");
        } else {
            assert_code(&ended, 91);
            assert!(
                !names.contains(&"report.html".to_owned()),
                "{blocks}: {names:?}"
            );
            assert!(
                ended.stderr.contains("cannot write the report: "),
                "{ended:?}"
            );
            incomplete += 1;
        }
    }
    assert!(
        (3..10).contains(&incomplete),
        "{incomplete} of 10 limits were too low"
    );
}

/// Runs a program from a shell after a command that limits it.
fn limited(workplace: &Workplace, program: &Command, limit: &str) -> Ended {
    let output = Command::new("sh")
        .args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(workplace.path("."))
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("the output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("the output is UTF-8"),
    }
}

fn only_folder(out: &Path) -> PathBuf {
    let mut folders = std::fs::read_dir(out).expect("it was created");
    let folder = folders.next().expect("one run").expect("it can be listed");
    assert!(folders.next().is_none(), "one run");
    folder.path()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("it was created");
    let names = entries.map(|entry| entry.expect("it can be listed").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.into_string().expect("plain"))
        .collect();
    names.sort();
    names
}

fn lines(text: &str) -> usize {
    text.lines().count()
}

/// How many lines a file has in the report that nothing limited.
fn lines_of_whole(workplace: &Workplace, name: &str) -> usize {
    let file = only_folder(&workplace.path("whole")).join(name);
    lines(&std::fs::read_to_string(file).expect("the report is complete"))
}

#[test]
fn summary_that_cannot_be_printed_changes_the_exit_code_everywhere() {
    let workplace = workplace(&[]);
    let mut program = workplace.program(&["simulate", "tiny.toml"]);
    let full = std::fs::File::options().write(true).open("/dev/full");
    let ended = program.stdout(full.expect("Linux has it")).output();
    let ended = ended.expect("the program starts");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(91), "{stderr}");
    assert!(stderr.contains("cannot write to stdout"), "{stderr}");
    let summary = report(&workplace, 91);
    assert_eq!(summary["ok"], false);
    let page = std::fs::read_to_string(reports(&workplace)[0].join("report.html"));
    assert!(page.expect("there is a page").contains("Exit code 91"));
}

/// The program with SIGHUP as a terminal leaves it, even if the tests themselves run under `nohup`, which ignores it.
fn hears_hang_up(workplace: &Workplace, arguments: &[&str]) -> Command {
    let program = workplace.program(arguments);
    let mut env = Command::new("env");
    env.arg("--default-signal=HUP")
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(workplace.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => env.env(name, value),
            None => env.env_remove(name),
        };
    }
    env
}

#[test]
fn sighup_ends_a_run_unless_it_is_ignored() {
    let _machine = machine::quarter();
    let workplace = workplace(&LONG);
    let mut running = Running::spawn(&mut hears_hang_up(&workplace, &["run", "tiny.toml"]));
    running.wait_for_buyers();
    let children = running.children();
    running.hang_up();
    assert_code(&running.finish(), 105);
    assert_gone(&children);
    report(&workplace, 105);

    // As under `nohup`.
    let program = workplace.program(&["run", "tiny.toml", "--out", "again"]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(workplace.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running::spawn(&mut shell);
    running.wait_for_buyers();
    running.hang_up();
    running.wait_for(|line| line.contains("arrived"));
    running.interrupt();
    let ended = running.finish();
    assert_code(&ended, 105);
    assert_eq!(ended.stderr.matches("Interrupted").count(), 1, "{ended:?}");
}

#[test]
fn second_signal_ends_the_program_at_once() {
    let _machine = machine::quarter();
    let workplace = workplace(&LONG);
    let mut running = Running::start(&workplace, &["run", "tiny.toml"]);
    running.wait_for_buyers();
    let children = running.children();
    // A worker that is stopped never reports, so that the program waits for it.
    let is_worker = |child: &&processes::Process| child.arguments == ["worker"];
    children.iter().find(is_worker).expect("a worker").stop();
    running.terminate();
    running.wait_for(|line| line.starts_with("Interrupted: stopping the load"));
    running.hang_up();
    assert_code(&running.finish(), 105);
    assert_gone(&children);
}

#[test]
fn signal_ends_a_simulation_and_the_report_says_so() {
    let workplace = workplace(&[("duration = \"30s\"", "duration = \"160h\"")]);
    for (number, signal) in [Signal::SIGHUP, Signal::SIGTERM].into_iter().enumerate() {
        let out = format!("out-{number}");
        let mut program = hears_hang_up(&workplace, &["simulate", "tiny.toml", "--out", &out]);
        let mut running = Running::spawn(&mut program);
        while !workplace.path(&out).exists() {
            assert!(!running.has_ended(), "{:?}", running.finish());
            std::thread::yield_now();
        }
        running.send(signal);
        let ended = running.finish();
        assert_code(&ended, 105);
        assert!(ended.stdout.contains("Interrupted after"), "{ended:?}");
        let summary = read(&only_folder(&workplace.path(&out)).join("summary.json"));
        assert_eq!(summary["exit_code"], 105);
    }
}

#[test]
fn ctrl_c_exits_with_105_and_writes_a_report() {
    let _machine = machine::quarter();
    let workplace = workplace(&LONG);
    let mut running = Running::start(&workplace, &["run", "tiny.toml"]);
    running.wait_for_buyers();
    let children = running.children();
    assert!(children.len() >= 4, "workers and nodes: {children:?}");
    running.interrupt();
    let ended = running.finish();
    assert_code(&ended, 105);
    assert_gone(&children);
    let summary = report(&workplace, 105);
    assert!(reached(&summary, "arrived") > 0);
    let lasted = summary["run"]["scenario_seconds"].as_f64().unwrap();
    assert!(lasted < 600.0, "it ran to its end: {lasted}");
    assert!(ended.stdout.contains("Interrupted after"), "{ended:?}");
    // An interruption by the user does not make the measurement unreliable.
    assert!(!ended.stdout.contains("Inconclusive"), "{ended:?}");
}

#[test]
fn sigterm_before_the_load_exits_with_105_without_empty_folder() {
    let _machine = machine::quarter();
    let workplace = workplace(&LONG);
    let mut running = Running::start(&workplace, &["run", "tiny.toml"]);
    running.wait_for(|line| line.starts_with("Starting local testbed"));
    running.terminate();
    let ended = running.finish();
    assert_code(&ended, 105);
    // On a fast machine the load may have started before the signal.
    if ended.stderr.contains("nothing was measured") {
        assert!(
            !workplace.path("reports").exists(),
            "an empty folder is left"
        );
    } else {
        report(&workplace, 105);
    }
}

#[test]
fn dead_load_worker_makes_the_run_inconclusive() {
    assert_dead_child_is_reported("worker", "it ended before its buyers were done");
}

#[test]
fn dead_load_balancer_process_makes_the_run_inconclusive() {
    assert_dead_child_is_reported("alb-node", "ended unexpectedly");
}

/// Kills a child process with this role. The run must end early as inconclusive and report what it measured.
fn assert_dead_child_is_reported(role: &str, words: &str) {
    let _machine = machine::quarter();
    let workplace = workplace(&LONG);
    let mut running = Running::start(&workplace, &["run", "tiny.toml"]);
    running.wait_for_buyers();
    let children = running.children();
    let victim = children.iter().find(|child| child.arguments == [role]);
    victim.expect("there are children of each role").kill();
    let ended = running.finish();
    assert_code(&ended, 91);
    assert_gone(&children);
    let summary = report(&workplace, 91);
    assert!(reached(&summary, "arrived") > 0);
    let check = found(&summary, "validity", ("name", "run completed"));
    let evidence = check["evidence"].as_str().expect("evidence is text");
    assert!(evidence.contains(words), "{evidence}");
    assert!(ended.stdout.contains(evidence), "{ended:?}");
    assert!(ended.stderr.contains("Ending the run early: "), "{ended:?}");
}

#[test]
fn killing_the_supervisor_leaves_no_process() {
    let _machine = machine::quarter();
    let workplace = workplace(&LONG);
    let mut running = Running::start(&workplace, &["run", "tiny.toml"]);
    running.wait_for_buyers();
    let children = running.children();
    for role in ["worker", "alb-node"] {
        let count = children.iter().filter(|child| child.arguments == [role]);
        assert!(count.count() >= 2, "{role}: {children:?}");
    }
    running.kill();
    assert_gone(&children);
    assert_eq!(running.finish().code, None, "it was killed");
}

#[test]
fn loopback_target_runs_in_real_time() {
    let _machine = machine::quarter();
    let section = Section {
        name: "A".to_owned(),
        rows: 2,
        seats_per_row: 10,
        price: 1_000,
    };
    let settings = Settings {
        active_max: 3,
        trust_tokens: true,
        ..Settings::default()
    };
    let secret = settings.jwt_secret.clone();
    let show = Show::new("target", vec![section]);
    let tier = EmbeddedTier::new(&settings, vec![show], Duration::ZERO);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let instance = Instance::start("target", listener, tier.clone(), settings).unwrap();

    let workplace = workplace(&[
        ("duration = \"30s\"", "duration = \"12s\""),
        (
            "from = \"1s\", to = \"2s\"",
            "from = \"100ms\", to = \"200ms\"",
        ),
    ]);
    workplace.write("secret.txt", secret + "\n");
    let target = ["--target", &url, "--token-secret-file", "secret.txt"];
    let ended = workplace.run(&[&["run", "tiny.toml", "--buyers", "8"][..], &target].concat());
    instance.kill();
    instance.join();

    assert_code(&ended, 0);
    let summary = report(&workplace, 0);
    assert_eq!(summary["run"]["speed"], 1.0);
    let sold = tier.final_state().orders.len() as u64;
    assert!(sold > 0, "{ended:?}");
    assert_eq!(
        reached(&summary, "paid"),
        sold,
        "buyers saw as many sales as the server"
    );
    for audit in summary["audits"].as_array().unwrap() {
        assert_ne!(audit["verdict"], "violated", "{audit}");
        if ["no_oversell", "nothing_lost", "ledger"].contains(&audit["audit"].as_str().unwrap()) {
            assert_eq!(audit["verdict"], "could_not_check", "{audit}");
            assert_eq!(audit["reason"], "no database access to this target");
        }
    }
    let holds = found(&summary, "audits", ("audit", "holds_succeed"));
    assert_eq!(holds["verdict"], "held", "{holds}");
    assert_eq!(summary["run"]["target"]["title"], "target", "{summary}");
    assert!(ended.stdout.contains("not checked"), "{ended:?}");
    assert!(ended.stderr.contains("no web page found"), "{ended:?}");
    assert!(
        ended.stdout.ends_with("--token-secret-file secret.txt\n"),
        "{ended:?}"
    );
}
