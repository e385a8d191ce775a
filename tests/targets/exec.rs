//! A target that is broken by the user's own commands, and watched through its metrics server.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::extract::Query;
use axum::routing::get;
use axum::{Json, Router};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::command::{Ended, Workplace};
use crate::foreign_servers::TicketDrop;

/// A small sale in real time with these further lines.
fn sale(duration: &str, more: &str) -> String {
    format!(
        r#"
name = "broken"
[clock]
duration = "{duration}"
warmup = "0s"
[[arrivals]]
shape = "poisson"
rate = "2/s"
[buyers]
browse = "100ms"
seat_pick = "200ms"
payment = "300ms"
pays = 1.0
poll = {{ connected = "1s", disconnected = "1s", on_update = false }}
[gates]
"errors" = ["rate < 100%"]
{more}
"#
    )
}

fn run_with(workplace: &Workplace, server: &TicketDrop, more: &[&str]) -> Ended {
    let (url, api) = (server.url(), mapping());
    let target = ["run", "sale.toml", "--target", &url, "--api", &api];
    workplace.run(&[&target[..], more].concat())
}

fn mapping() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/apis");
    folder.join("ticketdrop.toml").display().to_string()
}

fn server() -> TicketDrop {
    TicketDrop::start(200, Duration::from_millis(50))
}

/// The folder of the only run.
fn report(workplace: &Workplace) -> PathBuf {
    let mut runs = fs::read_dir(workplace.path("reports")).unwrap();
    runs.next().unwrap().unwrap().path()
}

fn summary(workplace: &Workplace) -> Value {
    let text = fs::read(report(workplace).join("summary.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn text(workplace: &Workplace, name: &str) -> String {
    fs::read_to_string(report(workplace).join(name)).unwrap()
}

/// Whether the faults that commands carried out are fine, and why not.
fn commands_check(summary: &Value) -> (bool, String) {
    let checks = summary["validity"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["name"] == "faults carried out by commands");
    let check = check.unwrap_or_else(|| panic!("{summary:#}"));
    let evidence = check["evidence"].as_str().unwrap().to_owned();
    (check["ok"].as_bool().unwrap(), evidence)
}

#[test]
fn a_scenario_runs_no_program_without_permission() {
    let workplace = Workplace::new();
    let fault = "[[faults]]\nat = \"1s\"\naction = \"exec\"\nname = \"harmless\"\nrun = [\"touch\", \"touched\"]";
    workplace.write("sale.toml", sale("4s", fault));
    for more in [
        &[][..],
        &["--target", "http://127.0.0.1:1", "--api", &mapping()],
    ] {
        let ended = workplace.run(&[&["run", "sale.toml"][..], more].concat());
        assert_eq!(ended.code, Some(104), "{ended:?}");
        assert!(ended.stderr.contains("touch touched"), "{ended:?}");
        assert!(ended.stderr.contains("--allow-exec"), "{ended:?}");
    }
    assert!(!workplace.path("touched").exists());
    assert!(!workplace.path("reports").exists(), "a run was started");
}

#[test]
fn a_simulation_names_what_it_can_do_instead() {
    let workplace = Workplace::new();
    let fault = "[[faults]]\nat = \"1s\"\naction = \"exec\"\nrun = [\"true\"]";
    workplace.write("sale.toml", sale("4s", fault));
    let ended = workplace.run(&["simulate", "sale.toml"]);
    assert_eq!(ended.code, Some(104), "{ended:?}");
    assert!(
        ended.stderr.contains("a simulation runs no programs"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("`pause-instances`"), "{ended:?}");
}

#[test]
fn a_fault_by_commands_is_in_the_report_with_its_name_and_output() {
    let (server, workplace) = (server(), Workplace::new());
    let fault = r#"
[[faults]]
at = "2s"
lasts = "2s"
action = "exec"
name = "half of the API"
run = ["sh", "-c", "echo broken; env | grep TIKETI_SIM; touch on"]
end = ["touch", "off"]
"#;
    workplace.write("sale.toml", sale("8s", fault));
    let ended = run_with(&workplace, &server, &["--allow-exec"]);
    assert!(matches!(ended.code, Some(0 | 91)), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("Fault started: exec \"half of the API\""),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains("Fault ended: exec \"half of the API\""),
        "{ended:?}"
    );
    assert!(workplace.path("on").exists() && workplace.path("off").exists());
    let summary = summary(&workplace);
    assert!(commands_check(&summary).0, "{summary:#}");
    let rows = summary["commands"].as_array().unwrap();
    let purposes: Vec<_> = rows
        .iter()
        .map(|row| row["purpose"].as_str().unwrap())
        .collect();
    assert_eq!(purposes, ["start", "end"]);
    let recovery = &summary["recoveries"][0];
    assert_eq!(recovery["name"], "half of the API");
    let lasted = recovery["healed_at_seconds"].as_f64().unwrap()
        - recovery["struck_at_seconds"].as_f64().unwrap();
    assert!((1.5..4.0).contains(&lasted), "{recovery:#}");
    let output = text(&workplace, rows[0]["output"].as_str().unwrap());
    assert!(output.contains("broken\n"), "{output}");
    let target = format!("TIKETI_SIM_TARGET={}", server.url());
    assert!(output.contains(&target), "{output}");
    assert!(
        output.contains("TIKETI_SIM_FAULT=half of the API"),
        "{output}"
    );
    let page = text(&workplace, "report.html");
    assert!(page.contains("Faults carried out by commands"), "{page}");
    assert!(
        page.contains("--allow-exec"),
        "the command to run again has no permission"
    );
}

#[test]
fn a_command_that_fails_makes_the_run_inconclusive() {
    let (server, workplace) = (server(), Workplace::new());
    let fault = r#"
[[faults]]
at = "1s"
action = "exec"
run = ["sh", "-c", "echo no such pod >&2; exit 3"]
"#;
    workplace.write("sale.toml", sale("5s", fault));
    let ended = run_with(&workplace, &server, &["--allow-exec"]);
    assert_eq!(ended.code, Some(91), "{ended:?}");
    assert!(ended.stderr.contains("⚠ Fault exec"), "{ended:?}");
    let (ok, evidence) = commands_check(&summary(&workplace));
    assert!(!ok && evidence.contains("exited with code 3"), "{evidence}");
    assert!(evidence.contains("no such pod"), "{evidence}");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the program runs in real time, and there is no event to wait for"
)]
fn an_interrupted_run_ends_its_faults() {
    let (server, workplace) = (server(), Workplace::new());
    let fault = r#"
[[faults]]
at = "1s"
lasts = "50s"
action = "exec"
run = ["touch", "on"]
end = ["touch", "off"]
"#;
    workplace.write("sale.toml", sale("60s", fault));
    let (url, api) = (server.url(), mapping());
    let run = ["run", "sale.toml", "--target", &url, "--api", &api];
    let mut child = workplace
        .program(&[&run[..], &["--allow-exec"]].concat())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !workplace.path("on").exists() {
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "the fault never started"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!workplace.path("off").exists());
    let supervisor = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(supervisor, Signal::SIGINT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(105));
    assert!(workplace.path("off").exists(), "the system stays broken");
    let summary = summary(&workplace);
    assert_eq!(
        summary["commands"].as_array().unwrap().len(),
        2,
        "{summary:#}"
    );
}

#[test]
fn an_experiment_of_fis_is_started_and_stopped() {
    let (server, workplace) = (server(), Workplace::new());
    fs::create_dir(workplace.path("bin")).unwrap();
    let aws = "#!/bin/sh\necho \"$@\" >> calls\necho '{\"experiment\":{\"id\":\"EXP1\",\"state\":{\"status\":\"initiating\"}}}'\n";
    workplace.write("bin/aws", aws);
    let program = workplace.path("bin/aws");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let fault = r#"
[[faults]]
at = "1s"
lasts = "1s"
action = "fis"
template = "EXT1a2b3c"
"#;
    workplace.write("sale.toml", sale("5s", fault));
    let (url, api) = (server.url(), mapping());
    let run = ["run", "sale.toml", "--target", &url, "--api", &api];
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", workplace.path("bin").display());
    let mut child = workplace
        .program(&[&run[..], &["--allow-exec"]].concat())
        .env("PATH", path)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.wait().unwrap();
    let calls = fs::read_to_string(workplace.path("calls")).unwrap();
    assert_eq!(
        calls,
        "fis start-experiment --experiment-template-id EXT1a2b3c --output json\n\
         fis stop-experiment --id EXP1 --output json\n"
    );
    let (ok, evidence) = commands_check(&summary(&workplace));
    assert!(ok, "{evidence}");
}

/// A server that answers queries as Prometheus does: each query is the text of a value, or unknown.
struct Metrics {
    url: String,
    _stop_tx: tokio::sync::oneshot::Sender<()>,
}

impl Metrics {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop_tx, stop_rx) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let router = Router::new().route("/api/v1/query", get(answer));
                let serving = axum::serve(listener, router).into_future();
                tokio::select! {
                    served = serving => served.unwrap(),
                    _ = stop_rx => {}
                }
            });
        });
        Self {
            url,
            _stop_tx: stop_tx,
        }
    }
}

async fn answer(Query(query): Query<BTreeMap<String, String>>) -> Json<Value> {
    let series = match query["query"].as_str() {
        "sum(queue_waiting)" => vec!["17"],
        "count(up == 1)" => vec!["3"],
        "avg(cpu)" => vec!["0.25"],
        _ => Vec::new(),
    };
    let series: Vec<_> = series
        .into_iter()
        .map(|value| json!({"metric": {}, "value": [1_764_250_000.5, value]}))
        .collect();
    Json(json!({"status": "success", "data": {"resultType": "vector", "result": series}}))
}

/// `[target.observe]` with a query that has no series.
fn observe(url: &str) -> String {
    format!(
        r#"
[target.observe]
prometheus = "{url}"
every = "1s"
queue_length = "sum(queue_waiting)"
instances = "count(up == 1)"
cpu = "avg(cpu)"
cache_hits = "no_such_metric"
"#
    )
}

fn observed<'s>(summary: &'s Value, level: &str) -> &'s Value {
    let rows = summary["observed"].as_array().unwrap();
    rows.iter().find(|row| row["level"] == level).unwrap()
}

#[test]
fn levels_of_a_metrics_server_are_in_the_report() {
    let (server, metrics, workplace) = (server(), Metrics::start(), Workplace::new());
    workplace.write("sale.toml", sale("6s", &observe(&metrics.url)));
    let ended = run_with(&workplace, &server, &[]);
    assert!(matches!(ended.code, Some(0 | 91)), "{ended:?}");
    let summary = summary(&workplace);
    for level in ["queue_length", "instances", "cpu"] {
        let row = observed(&summary, level);
        assert!(row["readings"].as_u64().unwrap() >= 3, "{row:#}");
        assert_eq!(row["gaps"], json!([]), "{row:#}");
    }
    let row = observed(&summary, "cache_hits");
    assert_eq!(row["gaps"][0]["reason"], "the query returns no series");
    assert_eq!(row["gaps"][0]["from_seconds"], 0.0);
    let csv = text(&workplace, "timeseries.csv");
    let header = csv.lines().next().unwrap();
    let columns: Vec<_> = header.split(',').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let values = |name: &str| {
        let place = column(name);
        let cells = csv
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(place).unwrap());
        cells
            .filter(|cell| !cell.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(
        values("observed_queue_length")
            .iter()
            .all(|value| value == "17")
    );
    assert!(values("observed_instances").len() >= 3);
    assert!(values("observed_cpu").iter().all(|value| value == "0.25"));
    assert!(values("observed_cache_hits").is_empty());
    let page = text(&workplace, "report.html");
    for shown in [
        "Metrics of the target",
        "queue length (metrics server)",
        "CPU and cache",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[test]
fn a_metrics_server_that_is_down_does_not_harm_the_run() {
    let (server, workplace) = (server(), Workplace::new());
    workplace.write("sale.toml", sale("5s", &observe("http://127.0.0.1:1")));
    let ended = run_with(&workplace, &server, &[]);
    assert!(matches!(ended.code, Some(0 | 91)), "{ended:?}");
    let summary = summary(&workplace);
    let row = observed(&summary, "queue_length");
    assert_eq!(row["readings"], 0);
    let gap = &row["gaps"][0];
    assert_eq!(
        (&gap["from_seconds"], &gap["reason"]),
        (&json!(0.0), &json!("connection refused"))
    );
    assert!(gap["until_seconds"].as_f64().unwrap() > 4.0, "{gap:#}");
    let page = text(&workplace, "report.html");
    assert!(page.contains("connection refused"), "{page}");
}

#[test]
fn a_metrics_server_of_somebody_else_is_not_asked() {
    let (server, workplace) = (server(), Workplace::new());
    workplace.write("sale.toml", sale("5s", &observe("http://192.0.2.7:9090")));
    let ended = run_with(&workplace, &server, &[]);
    assert_eq!(ended.code, Some(92), "{ended:?}");
    assert!(ended.stderr.contains("`target.allow`"), "{ended:?}");
    assert!(
        ended.stderr.contains("target.observe.prometheus"),
        "{ended:?}"
    );
}
