//! `tiketi-sim plan`: answers, reports, exit codes, and resuming an interrupted search.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{Ended, Workplace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Forty seats within half a minute; a run takes milliseconds.
const TINY: &str = r#"# Does a tiny sale work?
[clock]
duration = "30s"
warmup   = "0s"

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
payment = { distribution = "uniform", from = "1s", to = "2s" }
pays    = 1.0

[gates]
"waiting_time" = ["p(95) < 20s"]
"#;

const CROWD: &str = r#"# How many buyers get in within twenty seconds?
question = "largest-crowd"
scenario = "tiny.toml"

[crowd]
from   = 15
to     = 200
within = "20%"

[search]
replications = 2
confirm = 20
holds_in = "40%"
"#;

const SETUPS: &str = r#"# How large must the waiting room be?
question  = "cheapest-setup"
scenario  = "tiny.toml"
explore   = "frontier"
ascending = ["waiting_room.active_max"]

[crowd]
buyers = 60

[vary]
waiting_room.active_max = [5, 20, 40]
scaling.min             = [2, 3]

[search]
replications = 2
"#;

const VARIANTS: &str = r#"# Does a larger waiting room let people in sooner?
question = "compare"
scenario = "tiny.toml"

[crowd]
buyers = 60

[search]
replications = 4

[[variants]]
name = "fifty places"
set  = { waiting_room.active_max = 50 }
"#;

const FILES: [&str; 4] = ["plan.csv", "plan.html", "plan.json", "plan.md"];

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("tiny.toml", TINY);
    workplace.write("crowd.toml", CROWD);
    workplace.write("setups.toml", SETUPS);
    workplace.write("variants.toml", VARIANTS);
    workplace
}

/// Runs a search that must exit with `code`, and returns its report folder.
fn search(workplace: &Workplace, words: &[&str], code: i32) -> (Ended, PathBuf) {
    let ended = workplace.run(&[&["plan"], words].concat());
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let folder = ended
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("  report: "));
    let folder = workplace.path(folder.expect("the summary names the report folder"));
    (ended, folder)
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect("the report has the file")
}

fn json(folder: &Path) -> Value {
    serde_json::from_str(&read(folder, "plan.json")).expect("it is JSON")
}

#[test]
fn waiting_time_limits_the_number_of_buyers() {
    let workplace = workplace();
    let (ended, folder) = search(&workplace, &["crowd.toml"], 0);
    let report = json(&folder);
    let answer = report["answer"].as_str().expect("a text");
    let (first, _) = answer.split_once(". ").expect("several sentences");
    assert!(ended.stdout.contains(&format!("█ {first}.")), "{ended:?}");
    assert!(
        answer.contains("the first to fail is `waiting_time` p(95) < 20s (measured "),
        "{answer}"
    );
    let crowd = report["findings"]["crowd"].as_u64().expect("an answer");
    assert!((15..200).contains(&crowd), "{crowd}");
    let last = ended.stdout.lines().last();
    assert_eq!(
        last,
        Some("  run again: tiketi-sim plan crowd.toml --seed 1")
    );
}

#[test]
fn repeated_search_simulates_nothing_and_gives_the_same_report() {
    let workplace = workplace();
    for file in ["crowd.toml", "setups.toml", "variants.toml"] {
        let journal = workplace
            .path("reports")
            .join(file.replace("toml", "journal.jsonl"));
        let (_, first) = search(&workplace, &[file, "--threads", "1"], 0);
        let kept = fs::read_to_string(&journal).expect("a journal");
        let (_, again) = search(&workplace, &[file], 0);
        assert_eq!(
            fs::read_to_string(&journal).expect("a journal"),
            kept,
            "a run was simulated"
        );
        let (_, fresh) = search(&workplace, &[file, "--fresh", "--threads", "3"], 0);
        for name in FILES {
            assert!(
                read(&first, name) == read(&again, name),
                "{file}: {name} differs"
            );
            assert!(
                read(&first, name) == read(&fresh, name),
                "{file}: fresh {name} differs"
            );
        }
    }
}

#[test]
fn search_without_passing_configuration_exits_with_99() {
    let workplace = workplace();
    let strict = CROWD.replace(
        "[crowd]",
        "[set]\ngates.waiting_time = [\"p(95) < 1ms\"]\n\n[crowd]",
    );
    workplace.write("strict.toml", strict);
    let ended = workplace.run(&["plan", "strict.toml", "--quiet", "--out", "there"]);
    assert_eq!(ended.code, Some(99), "{ended:?}");
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    let folders = fs::read_dir(workplace.path("there")).expect("a report was written");
    let mut folders = folders.map(|entry| entry.expect("it can be listed").path());
    let folder = folders
        .find(|path| path.is_dir())
        .expect("a folder of its own");
    let answer = json(&folder)["answer"].as_str().expect("a text").to_owned();
    assert!(
        answer.starts_with(
            "No audience of 15 to 200 buyers passes. The closest, 15 buyers, fails on"
        )
    );
}

#[test]
fn plan_file_errors_have_a_position_and_exit_with_104() {
    let workplace = workplace();
    workplace.write("typo.toml", CROWD.replace("from ", "form "));
    workplace.write("lost.toml", CROWD.replace("tiny", "gone"));
    workplace.write("itself.toml", CROWD.replace("tiny", "crowd"));
    workplace.write("bad.toml", TINY.replace("30s", "30"));
    workplace.write("of-bad.toml", CROWD.replace("tiny", "bad"));
    let cases = [
        ("typo.toml", "typo.toml:6:1: unknown key `form` in `crowd`"),
        (
            "lost.toml",
            "lost.toml:3:12: `scenario` is \"gone.toml\", which cannot be read",
        ),
        (
            "itself.toml",
            "itself.toml:3:12: `scenario` is \"crowd.toml\", which is a plan file",
        ),
        (
            "of-bad.toml",
            "bad.toml:3:12: `clock.duration` is \"30\": missing unit",
        ),
        ("tiny.toml", "tiny.toml:1:1: `question` is missing"),
    ];
    for (file, message) in cases {
        for command in ["plan", "check"] {
            // A scenario is valid for `check`.
            if (file, command) == ("tiny.toml", "check") {
                continue;
            }
            let ended = workplace.run(&[command, file]);
            assert_eq!(ended.code, Some(104), "{ended:?}");
            assert!(ended.stderr.contains(message), "{ended:?}");
        }
    }
    assert!(!workplace.path("reports").exists(), "a search was started");
}

#[test]
fn json_findings_go_to_stdout() {
    let workplace = workplace();
    let ended = workplace.run(&["plan", "variants.toml", "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert_eq!(report["version"], 1);
    assert_eq!(report["findings"]["question"], "compare");
    assert_eq!(report["findings"]["variants"][1]["name"], "fifty places");
}

#[test]
fn check_accepts_plan_files() {
    let workplace = workplace();
    let ended = workplace.run(&["check", "tiny.toml", "crowd.toml", "setups.toml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("crowd.toml: ok (largest-crowd, 15 to 200 buyers, based on tiny.toml)")
    );
    assert!(
        ended
            .stdout
            .contains("setups.toml: ok (cheapest-setup, 6 configurations, based on tiny.toml)")
    );
}

#[test]
fn interrupted_search_resumes() {
    let workplace = workplace();
    let long = CROWD.replace("confirm = 20", "confirm = 300");
    workplace.write("long.toml", long);
    let words = ["plan", "long.toml", "--threads", "1"];
    let child = workplace
        .program(&words)
        .spawn()
        .expect("the program starts");
    let journal = workplace.path("reports/long.journal.jsonl");
    let runs = || fs::read_to_string(&journal).map_or(0, |text| text.lines().count());
    while runs() == 0 {
        pause();
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process number"));
    kill(pid, Signal::SIGINT).expect("it still runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(105), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.contains("the same command resumes from there"),
        "{stderr}"
    );
    let kept = runs();
    let folders = fs::read_dir(workplace.path("reports")).expect("the journal lies there");
    assert_eq!(folders.count(), 1, "an interrupted search left a report");

    let (_, folder) = search(&workplace, &["long.toml", "--threads", "1"], 0);
    assert!(json(&folder)["findings"]["crowd"].is_number());
    let text = fs::read_to_string(&journal).expect("a journal");
    assert!(text.lines().count() > kept);
    let keys: BTreeSet<_> = text.lines().map(key).collect();
    assert_eq!(
        keys.len(),
        text.lines().count(),
        "a run was simulated twice"
    );
}

/// A limit on the size of files stands for a full disk.
#[test]
fn full_disk_loses_runs_but_leaves_no_half_written_line_and_no_wrong_exit_code() {
    let workplace = workplace();
    let words = ["plan", "crowd.toml", "--threads", "1"];
    let program = workplace.program(&words);
    let limited = Command::new("sh")
        .args(["-c", "ulimit -f 8 && exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(workplace.path("."))
        .output()
        .expect("there is a shell");
    let stderr = String::from_utf8_lossy(&limited.stderr);
    assert_eq!(limited.status.code(), Some(91), "{stderr}");
    assert!(
        stderr.contains(" finished runs could not be kept in "),
        "{stderr}"
    );
    assert!(stderr.contains("cannot write the report"), "{stderr}");
    let stdout = String::from_utf8_lossy(&limited.stdout);
    assert!(stdout.contains("(exit code 91)"), "{stdout}");
    let entries = fs::read_dir(workplace.path("reports")).expect("it was created");
    let folder = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.is_dir())
        .expect("a report was started");
    for name in ["plan.html", "plan.json"] {
        assert!(!folder.join(name).exists(), "{name} states an exit code");
    }

    let journal = workplace.path("reports/crowd.journal.jsonl");
    let kept = fs::read_to_string(&journal).expect("a journal");
    assert!(kept.lines().count() > 0 && kept.ends_with('\n'), "{kept}");
    search(&workplace, &["crowd.toml", "--threads", "1"], 0);
    let text = fs::read_to_string(&journal).expect("a journal");
    let keys: BTreeSet<_> = text.lines().map(key).collect();
    assert_eq!(keys.len(), text.lines().count(), "a run was kept twice");
    assert!(text.starts_with(&kept) && text.len() > kept.len());
}

#[test]
fn answer_that_cannot_be_printed_changes_the_exit_code_everywhere() {
    let workplace = workplace();
    for form in [&[][..], &["--json"]] {
        let mut program = workplace.program(&[&["plan", "crowd.toml"], form].concat());
        let full = fs::File::options().write(true).open("/dev/full");
        let status = program.stdout(full.expect("Linux has it")).status();
        assert_eq!(status.expect("it starts").code(), Some(91), "{form:?}");
        let entries = fs::read_dir(workplace.path("reports")).expect("it was created");
        let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
        for folder in folders.filter(|path| path.is_dir()) {
            assert_eq!(json(&folder)["exit_code"], 91);
            assert!(read(&folder, "plan.html").contains("Exit code 91"));
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing else runs in this thread"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// The key in a line of the journal.
fn key(line: &str) -> String {
    let entry: Value = serde_json::from_str(line).expect("a line is JSON");
    entry["key"].as_str().expect("a text").to_owned()
}
