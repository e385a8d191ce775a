//! `map` and `check --openapi` on the command line: output, bad input, exit codes, memory.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{Ended, Workplace};

fn shipped(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap()
}

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    let files = [
        ("visit.har", "crates/api-draft/tests/recordings/tiers.har"),
        ("tiers.yaml", "crates/api-draft/tests/documents/tiers.yaml"),
        (
            "points.json",
            "crates/api-draft/tests/documents/points.json",
        ),
        ("drop.toml", "scenarios/apis/ticketdrop.toml"),
    ];
    for (name, path) in files {
        workplace.write(name, shipped(path));
    }
    workplace
}

fn assert_refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(104), "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
    for words in words.iter().chain(&["hint: "]) {
        assert!(ended.stderr.contains(words), "`{words}` in {ended:?}");
    }
}

#[test]
fn a_draft_goes_to_stdout_or_to_a_new_file() {
    let workplace = workplace();
    let printed = workplace.run(&["map", "--har", "visit.har"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(
        printed.stdout.contains("\nname = \"visit 1\"\n"),
        "{}",
        printed.stdout
    );
    assert!(
        printed.stderr.contains("Recognized show_list"),
        "{printed:?}"
    );
    assert!(printed.stderr.contains("open question"), "{printed:?}");
    let quiet = workplace.run(&["map", "--har", "visit.har", "--quiet", "--out", "api.toml"]);
    assert_eq!(
        (quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()),
        (Some(0), "", "")
    );
    assert_eq!(
        std::fs::read_to_string(workplace.path("api.toml")).unwrap(),
        printed.stdout
    );

    workplace.write("api.toml", "mine");
    let again = ["map", "--har", "visit.har", "--out", "api.toml"];
    assert_refused(
        &workplace.run(&again),
        &["api.toml exists already", "--force"],
    );
    assert_eq!(
        std::fs::read_to_string(workplace.path("api.toml")).unwrap(),
        "mine"
    );
    let forced = workplace.run(&[&again[..], &["--force"]].concat());
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert_eq!(
        std::fs::read_to_string(workplace.path("api.toml")).unwrap(),
        printed.stdout
    );

    let checked = workplace.run(&["check", "--api", "api.toml", "--openapi", "tiers.yaml"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert_eq!(
        checked.stdout,
        "api.toml: ok (API mapping visit 1, 7 requests, as in the OpenAPI document)\n"
    );
}

#[test]
fn a_document_is_drafted_from_too() {
    let workplace = workplace();
    let drafted = workplace.run(&["map", "--openapi", "points.json", "--out", "api.toml"]);
    assert_eq!(drafted.code, Some(0), "{drafted:?}");
    let checked = workplace.run(&["check", "--api", "api.toml"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(
        checked
            .stdout
            .starts_with("api.toml: ok (API mapping concert-reservation 1, "),
        "{checked:?}"
    );
}

#[test]
fn input_that_is_no_recording_is_refused_with_a_reason() {
    let workplace = workplace();
    let har = shipped("crates/api-draft/tests/recordings/tiers.har");
    workplace.write("cut.har", &har[..har.len() / 2]);
    workplace.write("text.har", "GET /events\n");
    workplace.write(
        "empty.har",
        "{\"log\": {\"version\": \"1.2\", \"entries\": []}}",
    );
    let page = "{\"log\": {\"entries\": [{\"request\": {\"method\": \"GET\", \"url\": \"https://a.example/\"}, \
                \"response\": {\"status\": 200, \"content\": {\"mimeType\": \"text/html\"}}}]}}";
    workplace.write("page.har", page);
    let cases: [(&str, &[&str]); 7] = [
        (
            "cut.har",
            &[
                "cut.har: line ",
                "the file ends in the middle",
                "export the recording again",
            ],
        ),
        (
            "text.har",
            &[
                "text.har: line 1, column 1: not JSON",
                "export all requests as HAR",
            ],
        ),
        ("empty.har", &["`log.entries` is empty"]),
        (
            "page.har",
            &[
                "none of its 1 entries is a request of an API",
                "Preserve log",
            ],
        ),
        ("points.json", &["not a HAR file: missing field `log`"]),
        ("missing.har", &["recording not found: missing.har"]),
        (".", &["cannot read recording `.`: it is a directory"]),
    ];
    for (file, words) in cases {
        assert_refused(&workplace.run(&["map", "--har", file]), words);
    }
}

#[test]
fn input_that_is_no_document_is_refused_with_a_reason() {
    let workplace = workplace();
    workplace.write(
        "old.json",
        "{\"swagger\": \"2.0\", \"paths\": {\"/x\": {}}}",
    );
    workplace.write(
        "remote.yaml",
        "openapi: 3.1.0\npaths: { /x: { $ref: \"https://a.example/x.yaml\" } }\n",
    );
    workplace.write("bad.yaml", "openapi: [\n");
    for command in [&["map"][..], &["check", "--api", "drop.toml"]] {
        let cases: [(&str, &[&str]); 4] = [
            (
                "old.json",
                &[
                    "old.json: `swagger` is 2.0: a Swagger 2 document",
                    "convert it to OpenAPI 3",
                ],
            ),
            (
                "remote.yaml",
                &[
                    "`https://a.example/x.yaml`, outside of the document",
                    "nothing is fetched",
                ],
            ),
            ("bad.yaml", &["bad.yaml: neither JSON nor YAML"]),
            (
                "missing.yaml",
                &["OpenAPI document not found: missing.yaml"],
            ),
        ];
        for (file, words) in cases {
            assert_refused(
                &workplace.run(&[command, &["--openapi", file]].concat()),
                words,
            );
        }
    }
}

#[test]
fn one_of_the_two_inputs_is_needed() {
    let workplace = workplace();
    for arguments in [
        &["map"][..],
        &["map", "--har", "visit.har", "--openapi", "points.json"],
        &["map", "--har", "visit.har", "--force"],
        &["check"],
    ] {
        let ended = workplace.run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn differences_from_a_document_have_lines_in_the_mapping_and_in_a_scenario() {
    let workplace = workplace();
    let right = workplace.run(&["check", "--api", "drop.toml", "--openapi", "points.json"]);
    assert_eq!(right.code, Some(104), "{right:?}");
    let mapping = "name = \"drop 2\"\nopenapi = \"tiers.yaml\"\nbase = \"/api\"\n\n[payment]\n\
                   call = \"POST /checkout/sesion\"\nmeans = [{ status = 201, is = \"paid\" }]\n";
    workplace.write("named.toml", mapping);
    let ended = workplace.run(&["check", "--api", "named.toml"]);
    assert_eq!(ended.code, Some(104), "{ended:?}");
    let problem = "named.toml:6:8: `payment.call` asks `POST /api/checkout/sesion`, which the OpenAPI document does not have \
                   (expected one of /api/checkout/session,";
    assert!(ended.stderr.starts_with(problem), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("; help: did you mean `/api/checkout/session`?"),
        "{}",
        ended.stderr
    );

    let scenario = "# Does it work?\nname = \"x\"\n[target.api]\nname = \"drop 2\"\nopenapi = \"tiers.yaml\"\n\
                    [target.api.payment]\ncall = \"GET /api/checkout/session\"\nmeans = [{ status = 201, is = \"paid\" }]\n";
    workplace.write("scenario.toml", scenario);
    let ended = workplace.run(&["check", "scenario.toml"]);
    assert_eq!(ended.code, Some(104), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("scenario.toml:7:8: `payment.call` asks `GET"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("(expected POST)"), "{}", ended.stderr);
}

/// One text of a hundred megabytes, and images of another hundred: the memory that is needed does not depend on them.
#[test]
fn a_huge_recording_needs_little_memory() {
    const MEMORY_KIB_MAX: usize = 256 * 1_024;
    let workplace = workplace();
    let har = shipped("crates/api-draft/tests/recordings/tiers.har");
    let (before, after) = har.split_once("\"entries\": [").unwrap();
    let program = env!("CARGO_BIN_EXE_tiketi-sim");
    let limited =
        format!("ulimit -v {MEMORY_KIB_MAX} && exec \"{program}\" map --har - --out api.toml");
    let mut child = Command::new("sh")
        .args(["-c", &limited])
        .current_dir(workplace.path(""))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let entry = |mime: &str| {
        format!(
            "{{\"request\": {{\"method\": \"GET\", \"url\": \"https://drop.example/api/big\"}}, \"response\": \
             {{\"status\": 200, \"content\": {{\"mimeType\": \"{mime}\", \"text\": \""
        )
    };
    let part = "0123456789abcdefghijklmnopqrstuvwxyz".repeat(1_000_000 / 36);
    write!(input, "{before}\"entries\": [{}", entry("application/json")).unwrap();
    for _ in 0..100 {
        input.write_all(part.as_bytes()).unwrap();
    }
    for _ in 0..50 {
        write!(input, "\"}}}}}},{}{part}{part}", entry("image/png")).unwrap();
    }
    write!(input, "\"}}}}}},{after}").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let drafted = std::fs::read_to_string(workplace.path("api.toml")).unwrap();
    assert!(drafted.contains("name = \"drafted 1\""), "{drafted}");
    assert!(drafted.contains("Left out: 1 body (too long"), "{drafted}");
    assert!(drafted.contains("[seat_reserve.poll]"), "{drafted}");
}
