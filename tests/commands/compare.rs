//! `tiketi-sim compare`: exit codes, errors and the files it writes.

use crate::command::{Ended, Workplace};
use crate::kept_run::{keep, measured};
use tiketi_measure::{Engine, archive};

/// A folder with a live run, a slower one, a simulated one, a truncated one and an empty folder.
fn workplace() -> Workplace {
    let workplace = Workplace::new();
    keep(&measured(Engine::Live, 1.0), &workplace.path("before"));
    keep(&measured(Engine::Live, 1.3), &workplace.path("slower"));
    keep(&measured(Engine::Model, 1.0), &workplace.path("model"));
    let whole = std::fs::read(workplace.path("before").join(archive::FILE_NAME));
    let whole = whole.expect("just written");
    std::fs::create_dir(workplace.path("half")).expect("the folder can be made");
    let half = &whole[..whole.len() / 2];
    workplace.write(&format!("half/{}", archive::FILE_NAME), half);
    std::fs::create_dir(workplace.path("empty")).expect("the folder can be made");
    workplace
}

#[test]
fn slower_run_is_worse_than_its_baseline() {
    let workplace = workplace();
    let compare = |base, new| workplace.run(&["compare", base, new]);
    let same = compare("before", "model");
    assert_eq!((same.code, same.stderr.as_str()), (Some(0), ""));
    assert!(
        same.stdout.contains("✓  Waiting time p95"),
        "{}",
        same.stdout
    );
    let slower = compare("before", "slower/");
    assert_eq!(slower.code, Some(93), "{}", slower.stdout);
    let line = slower
        .stdout
        .lines()
        .find(|line| line.contains("time p95: queue_check"));
    let line = line.expect("the operation is in the table");
    assert!(line.contains("+30%") && line.contains("worse"), "{line}");
    let faster = compare("slower", "before");
    assert_eq!(faster.code, Some(0), "{}", faster.stdout);
    assert!(faster.stdout.contains("better"), "{}", faster.stdout);
}

#[test]
fn custom_tolerances_decide() {
    let workplace = workplace();
    // `--bar` is the former name of `--tolerance`.
    let tolerances = [
        "--tolerance",
        "waiting_time=50",
        "--bar",
        "response_time_p95=50%",
    ];
    let compare = ["compare", "before", "slower"];
    let ended = workplace.run(&[&compare[..], &tolerances].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    for tolerance in [
        "waiting=5",
        "waiting_time",
        "waiting_time=0",
        "waiting_time=x",
    ] {
        let words = [&compare[..], &["--tolerance", tolerance]].concat();
        let Ended { code, stderr, .. } = workplace.run(&words);
        assert_eq!(code, Some(2), "{tolerance}: {stderr}");
    }
}

#[test]
fn report_is_written_to_the_given_folder() {
    let workplace = workplace();
    let words = ["compare", "before", "slower", "--out", "a/b", "--quiet"];
    let Ended {
        code,
        stdout,
        stderr,
    } = workplace.run(&words);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(93), "", ""));
    for file in ["agreement.html", "agreement.md", "agreement.json"] {
        let path = workplace.path("a/b").join(file);
        assert!(std::fs::metadata(&path).is_ok_and(|found| found.len() > 1_000));
    }
    let words = [
        "compare",
        "before",
        "slower",
        "--out",
        "empty/../half/x",
        "-q",
    ];
    assert_eq!(workplace.run(&words).code, Some(93));
}

#[test]
fn unusable_runs_exit_with_104() {
    let workplace = workplace();
    for (words, message) in [
        (
            &["before", "missing"][..],
            "run not found: missing/measurements.json.gz",
        ),
        (
            &["before", "empty"],
            "run not found: empty/measurements.json.gz",
        ),
        (
            &["half", "before"],
            "half/measurements.json.gz: not a complete archive",
        ),
        (&["--model", "model"], "model is a simulated run"),
        (&["--model", "before", "missing"], "run not found"),
        (
            &["--model", "before", "--profile", "missing.toml"],
            "profile not found: missing.toml",
        ),
        (
            &["before", "model", "--out", "half/measurements.json.gz"],
            "half",
        ),
    ] {
        let Ended { code, stderr, .. } = workplace.run(&[&["compare"], words].concat());
        assert_eq!(code, Some(104), "{words:?}: {stderr}");
        assert!(stderr.contains(message), "{words:?}: {stderr}");
    }
}

#[test]
fn comparison_needs_exactly_two_runs() {
    let workplace = workplace();
    for words in [
        &["compare"][..],
        &["compare", "before"],
        &["compare", "before", "slower", "model"],
        &["compare", "before", "slower", "--profile", "profile.toml"],
    ] {
        let Ended { code, stderr, .. } = workplace.run(words);
        assert_eq!(code, Some(2), "{words:?}: {stderr}");
    }
}

#[test]
fn exit_code_is_the_same_in_the_output_the_files_and_the_process() {
    let workplace = workplace();
    let unwritable = [
        "compare",
        "before",
        "model",
        "--out",
        "before/summary.json/x",
    ];
    workplace.write("before/summary.json", "a file");
    let ended = workplace.run(&unwritable);
    assert_eq!(ended.code, Some(104), "{ended:?}");
    assert!(ended.stdout.contains("(exit code 104)"), "{ended:?}");

    let mut program = workplace.program(&["compare", "before", "model", "--out", "out"]);
    let full = std::fs::File::options().write(true).open("/dev/full");
    let status = program.stdout(full.expect("Linux has it")).status();
    assert_eq!(status.expect("it starts").code(), Some(91));
    let read = |name: &str| {
        let text = std::fs::read_to_string(workplace.path("out").join(name));
        text.expect("the report is there")
    };
    assert!(read("agreement.json").contains("\"exit_code\": 91"));
    assert!(read("agreement.html").contains("Exit code 91"));
}
