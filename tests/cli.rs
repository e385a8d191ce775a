//! The command line: help, errors, exit codes, and which text goes to stdout or stderr.

use std::fmt::Write as _;

use command::{Ended, Workplace};
use snapshot::assert_snapshot;

mod command;
mod snapshot;

const VALID: &str = r#"# Do thirty buyers get through?
seed = 5

[clock]
duration = "90s"

[[arrivals]]
shape = "poisson"
rate  = "1/s"
until = "30s"
"#;

const BROKEN: &str = r#"# Are all problems reported at once?
[clock]
duration = "90"
speeed   = 5

[[faults]]
at     = "1m"
action = "az-power-interuption"
zone   = "q"
lasts  = "30s"
"#;

/// A folder with a valid scenario, an invalid one and one that is not UTF-8.
fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("good.toml", VALID);
    workplace.write("broken.toml", BROKEN);
    workplace.write("latin-1.toml", b"# Caf\xe9?\n");
    workplace.write("secret.txt", "secret\n");
    workplace.write(
        "profile.toml",
        "name = \"a\"\n[work_ms]\nqueue_chek = 1.0\n",
    );
    workplace.write("nothing.txt", "\n");
    std::fs::create_dir(workplace.path("folder")).expect("the folder can be written");
    workplace
}

/// The output of some commands, each with its exit code. Lines on stderr are marked with `!`.
fn transcript(commands: &[&str]) -> String {
    let workplace = workplace();
    let mut shown = String::new();
    for command in commands {
        let arguments: Vec<_> = command.split_whitespace().collect();
        let ended = workplace.run(&arguments);
        let said = shown_lines("", &ended.stdout) + &shown_lines("! ", &ended.stderr);
        let code = ended.code.expect("it exits normally");
        writeln!(shown, "$ tiketi-sim {command}\n{said}[{code}]\n")
            .expect("writing to a String cannot fail");
    }
    assert!(!workplace.path("reports").exists(), "a run was started");
    shown
}

fn shown_lines(mark: &str, text: &str) -> String {
    let lines = text.lines().map(|line| format!("{mark}{line}"));
    lines
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

#[test]
fn help_matches_snapshot() {
    let commands = [
        "--help",
        "run --help",
        "simulate --help",
        "compare --help",
        "calibrate --help",
        "plan --help",
        "check --help",
        "timeline --help",
        "cost --help",
        "theory --help",
        "completions --help",
    ];
    assert_snapshot("help.txt", &transcript(&commands));
}

#[test]
fn timeline_needs_a_policy_on_queue_size() {
    let workplace = workplace();
    workplace.write("cpu.toml", "[scaling]\npolicies = []\n");
    let ended = workplace.run(&["timeline", "good.toml", "--seeds", "3", "--out", "page"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains("█ Healthy instances after five minutes: ")
    );
    assert!(
        ended
            .stdout
            .ends_with("run again: tiketi-sim timeline good.toml --seeds 3\n")
    );
    let page = std::fs::read_to_string(workplace.path("page/report.html")).expect("a page");
    assert!(page.contains("<svg"));
    let refused = workplace.run(&["timeline", "cpu.toml"]);
    assert_eq!(refused.code, Some(104));
    assert!(
        refused
            .stderr
            .contains("no policy scales out on queue size")
    );
}

#[test]
fn invalid_command_lines_exit_with_2() {
    let shown = transcript(&[
        "",
        "fly",
        "run",
        "run good.toml --speed 5",
        "run good.toml --buyers 0",
        "run good.toml --buyers many",
        "run good.toml --buyers 4000000000",
        "run good.toml --seed -1",
        "run good.toml --duration 90",
        "run good.toml --duration 0s",
        "run good.toml --duration 31d",
        "run good.toml --duration soon",
        "run good.toml --tokens secret.txt",
        "run good.toml --i-own-this-target",
        "run good.toml --target http://localhost --tokens t --token-secret-file s",
        "simulate",
        "simulate good.toml --target http://localhost",
        "simulate good.toml --threads 4",
        "check",
        "completions tcsh",
    ]);
    let codes = shown.lines().filter(|line| line.starts_with('['));
    assert!(codes.into_iter().all(|code| code == "[2]"), "{shown}");
    assert_snapshot("usage.txt", &shown);
}

#[test]
fn invalid_input_is_refused_before_anything_starts() {
    let shown = transcript(&[
        "run missing.toml",
        "run folder",
        "run latin-1.toml",
        "run broken.toml",
        "run good.toml --duration 20s",
        "run good.toml --out good.toml",
        "run good.toml --profile missing.toml",
        "simulate missing.toml",
        "simulate broken.toml",
        "simulate good.toml --profile profile.toml",
        "simulate good.toml --profile good.toml",
        "simulate good.toml --out good.toml",
        "run good.toml --target http://127.0.0.1:1",
        "run good.toml --target http://127.0.0.1:1 --tokens missing.txt",
        "run good.toml --target http://127.0.0.1:1 --tokens nothing.txt",
        "run good.toml --target http://127.0.0.1:1 --tokens secret.txt",
    ]);
    let codes = shown.lines().filter(|line| line.starts_with('['));
    assert!(codes.into_iter().all(|code| code == "[104]"), "{shown}");
    assert_snapshot("refused.txt", &shown);
}

#[test]
fn forbidden_targets_exit_with_92() {
    let target = |url: &str| format!("run good.toml --token-secret-file secret.txt --target {url}");
    let commands = [
        target("http://192.0.2.7:3000"),
        target("http://192.0.2.7:3000 --i-own-this-target"),
        target("ftp://127.0.0.1"),
        target("http://127.0.0.1:3000/path"),
        target("http://user@127.0.0.1:3000"),
    ];
    let shown = transcript(&commands.each_ref().map(String::as_str));
    let codes = shown.lines().filter(|line| line.starts_with('['));
    assert!(codes.into_iter().all(|code| code == "[92]"), "{shown}");
    assert_snapshot("targets.txt", &shown);
}

#[test]
fn check_reports_valid_and_invalid_files() {
    let command = "check good.toml broken.toml missing.toml folder good.toml";
    assert_snapshot("check.txt", &transcript(&[command, "check good.toml"]));
    let workplace = workplace();
    let Ended {
        code,
        stdout,
        stderr,
    } = workplace.run(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(104));
    let right: Vec<_> = stdout.lines().collect();
    assert_eq!(right.len(), 2, "{stdout}");
    assert!(right.iter().all(|line| line.starts_with("good.toml: ok (")));
    for wrong in [
        "broken.toml:3:12: ",
        "broken.toml:4:1: ",
        "scenario not found: missing.toml",
        "cannot read scenario `folder`: ",
    ] {
        assert!(stderr.contains(wrong), "{wrong}: {stderr}");
    }
    assert!(!stderr.contains("good.toml"), "{stderr}");
}

#[test]
fn environment_variables_set_flags() {
    let workplace = workplace();
    let run = |name: &str, value: &str, arguments: &[&str]| {
        let mut program = workplace.program(&[&["run", "missing.toml"][..], arguments].concat());
        let ended = program.env(name, value).output();
        ended.expect("the program starts").status.code()
    };
    assert_eq!(run("TIKETI_SIM_BUYERS", "0", &[]), Some(2));
    assert_eq!(run("TIKETI_SIM_BUYERS", "0", &["--buyers", "5"]), Some(104));
    assert_eq!(run("TIKETI_SIM_SEED", "x", &[]), Some(2));
    assert_eq!(run("TIKETI_SIM_DURATION", "90", &[]), Some(2));
    for answer in ["1", "true", "yes", "0", "off"] {
        assert_eq!(run("TIKETI_SIM_QUIET", answer, &[]), Some(104), "{answer}");
    }
}

#[test]
fn closed_pipe_does_not_change_the_exit_code() {
    let workplace = workplace();
    let commands: [(&[&str], i32); 5] = [
        (&["--help"], 0),
        (&["completions", "bash"], 0),
        (&["check", "good.toml"], 0),
        (&["check", "broken.toml"], 104),
        (&["run", "missing.toml"], 104),
    ];
    for (arguments, code) in commands {
        let gone = || {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            writer
        };
        let mut program = workplace.program(arguments);
        let status = program.stdout(gone()).stderr(gone()).status();
        let status = status.expect("the program starts");
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn no_escape_sequences_in_a_pipe() {
    let workplace = workplace();
    for arguments in [
        ["check", "broken.toml"],
        ["run", "--help"],
        ["run", "broken.toml"],
    ] {
        let Ended { stdout, stderr, .. } = workplace.run(&arguments);
        assert!(!(stdout + &stderr).contains('\u{1b}'), "{arguments:?}");
    }
}

#[test]
fn completions_list_commands_but_not_hidden_ones() {
    let workplace = workplace();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let Ended {
            code,
            stdout,
            stderr,
        } = workplace.run(&["completions", shell]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{shell}");
        for word in [
            "run",
            "simulate",
            "compare",
            "calibrate",
            "check",
            "completions",
            "buyers",
            "token-secret-file",
        ] {
            assert!(stdout.contains(word), "{shell}: no {word}");
        }
        assert!(
            !stdout.contains("alb-node"),
            "{shell} offers what is hidden"
        );
    }
}
