//! The command line: help, errors, exit codes, and which text goes to stdout or stderr.

use std::fmt::Write as _;

use crate::command::{Ended, Workplace};
use crate::snapshot::assert_snapshot;

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
        "map --help",
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
        target("http://127.0.0.1:3000/path?query"),
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
        "cannot read scenario `folder`: it is a directory",
    ] {
        assert!(stderr.contains(wrong), "{wrong}: {stderr}");
    }
    assert!(!stderr.contains("good.toml"), "{stderr}");
}

#[test]
fn check_warns_on_stderr_about_a_gate_that_decides_nothing() {
    let workplace = workplace();
    workplace.write(
        "pointless.toml",
        format!("{VALID}[gates]\nerrors = [\"rate < 1\"]\n"),
    );
    let ended = workplace.run(&["check", "pointless.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let warning = "pointless.toml:12:11: warning: gate `errors`: `rate < 1` fails only if";
    assert!(ended.stderr.starts_with(warning), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("pointless.toml: ok"),
        "{}",
        ended.stdout
    );
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

/// Every command that answers on stdout, and what it exits with if it can.
const ANSWERS: [(&[&str], i32); 8] = [
    (&["--help"], 0),
    (&["--version"], 0),
    (&["run", "--help"], 0),
    (&["completions", "bash"], 0),
    (&["check", "good.toml"], 0),
    (&["cost"], 0),
    (&["timeline", "good.toml", "--seeds", "3"], 0),
    (&["theory", "little", "--replications", "5", "--json"], 0),
];

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let workplace = workplace();
    for (arguments, code) in ANSWERS {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut program = workplace.program(arguments);
        let ended = program.stdout(full.expect("Linux has it")).output();
        let ended = ended.expect("the program starts");
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(91), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("error: cannot write to stdout: No space left on device"),
            "{arguments:?}: {stderr}"
        );
        assert_eq!(workplace.run(arguments).code, Some(code), "{arguments:?}");
    }
}

/// Runs the program with this text on standard input.
fn run_with_input(workplace: &Workplace, arguments: &[&str], input: &str) -> Ended {
    workplace.write("input", input);
    let mut program = workplace.program(arguments);
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let child = program.stdin(reader).spawn().expect("the program starts");
    drop(program);
    // Fails if the program does not read its input.
    drop(std::io::Write::write_all(&mut writer, input.as_bytes()));
    drop(writer);
    let output = child.wait_with_output().expect("the program exits");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("the output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("the output is UTF-8"),
    }
}

#[test]
fn every_input_can_come_through_a_pipe() {
    let workplace = workplace();
    for path in ["-", "/dev/stdin"] {
        let wrong = run_with_input(&workplace, &["check", path], BROKEN);
        assert_eq!(wrong.code, Some(104), "{path}: {wrong:?}");
        assert!(wrong.stderr.contains("stdin:3:12: "), "{path}: {wrong:?}");
        let right = run_with_input(&workplace, &["check", path], VALID);
        assert_eq!(right.code, Some(0), "{path}: {right:?}");
        assert!(right.stdout.contains("stdin: ok (30 buyers"), "{right:?}");
    }
    let question = "question = \"largest-crowd\"\nscenario = \"missing.toml\"\n";
    let plan = run_with_input(&workplace, &["check", "-"], question);
    assert_eq!(plan.code, Some(104), "{plan:?}");
    assert!(plan.stderr.contains("missing.toml"), "{plan:?}");
    for arguments in [
        &["simulate", "good.toml", "--profile", "-"][..],
        &["cost", "good.toml", "--prices", "-"],
        &["compare", "-", "missing"],
    ] {
        let ended = run_with_input(&workplace, arguments, "nonsense = 1\n");
        assert_eq!(ended.code, Some(104), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains("stdin"), "{arguments:?}: {ended:?}");
    }
    let twice = run_with_input(&workplace, &["simulate", "-", "--profile", "-"], VALID);
    assert_eq!(twice.code, Some(104), "{twice:?}");
    let tokens = run_with_input(
        &workplace,
        &[
            "run",
            "good.toml",
            "--target",
            "http://127.0.0.1:1",
            "--tokens",
            "-",
        ],
        "nonsense\n",
    );
    assert_eq!(tokens.code, Some(104), "{tokens:?}");
    assert!(tokens.stderr.contains("token 1: "), "{tokens:?}");
    assert!(!workplace.path("reports").exists(), "a run was started");
}

#[test]
fn standard_input_is_read_only_once() {
    let ended = run_with_input(&workplace(), &["check", "-", "-"], VALID);
    assert_eq!(ended.code, Some(104), "{ended:?}");
    assert!(ended.stderr.contains("can only be read once"), "{ended:?}");
}

#[test]
fn a_named_pipe_is_read_once() {
    let workplace = workplace();
    let fifo = workplace.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("every system has it").success());
    let writing = std::thread::spawn(move || std::fs::write(fifo, BROKEN));
    let ended = workplace.run(&["check", "fifo"]);
    writing.join().unwrap().expect("the pipe is read");
    assert_eq!(ended.code, Some(104), "{ended:?}");
    assert!(ended.stderr.contains("fifo:3:12: "), "{ended:?}");
}

#[test]
fn devices_folders_sockets_and_huge_files_are_no_input() {
    let workplace = workplace();
    let _listener = std::os::unix::net::UnixListener::bind(workplace.path("socket"));
    let huge = std::fs::File::create(workplace.path("huge")).expect("a file");
    huge.set_len(1 << 30).expect("a file may have holes");
    for (path, reason) in [
        ("/dev/zero", "it is a device (expected a regular file"),
        ("/dev/null", "it is a device (expected a regular file"),
        ("folder", "it is a directory (expected a regular file"),
        ("socket", "it is a socket (expected a regular file"),
        ("huge", "it is larger than "),
    ] {
        for arguments in [
            &["check", path][..],
            &["plan", path],
            &["simulate", "good.toml", "--profile", path],
            &["simulate", "good.toml", "--prices", path],
            &["cost", "--prices", path],
            &[
                "run",
                "good.toml",
                "--target",
                "http://127.0.0.1:1",
                "--tokens",
                path,
            ],
        ] {
            let ended = workplace.run(arguments);
            assert_eq!(ended.code, Some(104), "{arguments:?}: {ended:?}");
            assert!(ended.stderr.contains(reason), "{arguments:?}: {ended:?}");
        }
    }
    for path in ["/dev/zero", "socket", "huge"] {
        let ended = workplace.run(&["compare", path, "folder"]);
        assert_eq!(ended.code, Some(104), "{ended:?}");
        assert!(ended.stderr.contains("cannot read run"), "{ended:?}");
    }
    assert!(!workplace.path("reports").exists(), "a run was started");
}

/// No output repeats what may be a password or a token, wherever it was given.
#[test]
fn secrets_are_never_printed() {
    let workplace = workplace();
    workplace.write("tokens.txt", "hush.hush.hush\n");
    workplace.write(
        "servers.toml",
        "[topology]\ndata_tier = { redis = \"redis://:hush@10.0.0.1\", database = 5 }\nmore = 1\n",
    );
    let target = [
        "run",
        "good.toml",
        "--token-secret-file",
        "secret.txt",
        "--target",
    ];
    let commands: [&[&str]; 7] = [
        &["http://user:hush@127.0.0.1:3000"],
        &["https://hush@127.0.0.1:3000"],
        &["ftp://user:hush@127.0.0.1"],
        &["user:hush@127.0.0.1:3000"],
        &["http://127.0.0.1:3000/?token=hush"],
        &["http://user:hu@sh@127.0.0.1:3000"],
        &["http://user:hush@127.0.0.1:99999"],
    ];
    for arguments in commands {
        let ended = workplace.run(&[&target[..], arguments].concat());
        assert_eq!(ended.code, Some(92), "{arguments:?}: {ended:?}");
        assert!(!said(&ended).contains("hush"), "{arguments:?}: {ended:?}");
    }
    for arguments in [
        &["check", "servers.toml"][..],
        &[
            "run",
            "good.toml",
            "--target",
            "http://127.0.0.1:1",
            "--tokens",
            "tokens.txt",
        ],
        &[
            "run",
            "good.toml",
            "--redis",
            "redis://:hush@",
            "--database",
            "postgres://u:hush@",
        ],
        &["run", "missing-postgres://u:hush@h/d"],
        &[
            "calibrate",
            "good.toml",
            "--base",
            "redis://:hush@h",
            "--out",
            "p.toml",
        ],
    ] {
        let ended = workplace.run(arguments);
        assert_eq!(ended.code, Some(104), "{arguments:?}: {ended:?}");
        assert!(!said(&ended).contains("hush"), "{arguments:?}: {ended:?}");
    }
    let mut program = workplace.program(&["run", "--help"]);
    for name in ["TARGET", "REDIS", "DATABASE"] {
        program.env(format!("TIKETI_SIM_{name}"), "http://user:hush@127.0.0.1");
    }
    let help = program.output().expect("the program starts").stdout;
    assert!(!String::from_utf8_lossy(&help).contains("hush"));
}

fn said(ended: &Ended) -> String {
    ended.stdout.clone() + &ended.stderr
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
