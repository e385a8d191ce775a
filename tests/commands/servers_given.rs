//! Errors about data tiers and faults before a run starts, none of which shows a password.

use crate::command::{Ended, Workplace};

const PASSWORD: &str = "hunter2";

const SALE: &str = "# Does it pass?\n[clock]\nduration = \"5m\"\n";

fn fault(action: &str, keys: &str) -> String {
    format!("[[faults]]\nat = \"2m\"\naction = \"{action}\"\n{keys}\n")
}

fn tier(redis: &str, database: &str) -> String {
    format!("[topology]\ndata_tier = {{ redis = \"{redis}\", database = \"{database}\" }}\n")
}

/// A folder with scenarios that differ in data tier and fault.
fn workplace() -> Workplace {
    let workplace = Workplace::new();
    let here = "postgres://u:hunter2@127.0.0.1:5432/d";
    let far = "redis://:hunter2@redis.example.org:6379";
    let pause = fault("pause-primary", "lasts = \"1m\"\npart = \"redis\"");
    let lose = fault("lose-primary", "lasts = \"1m\"\npart = \"redis\"");
    let files = [
        ("plain.toml", String::new()),
        ("far.toml", tier(far, here)),
        (
            "theirs.toml",
            tier("redis://:hunter2@localhost", here) + &lose,
        ),
        (
            "pause.toml",
            tier("redis://:hunter2@localhost", here) + &pause,
        ),
        ("bad-port.toml", tier("redis://:hunter2@localhost:x", here)),
        ("unfinished.toml", tier("redis://u:hunter2", here)),
        ("scheme.toml", tier("http://u:hunter2@localhost", here)),
        ("space.toml", tier("redis://u:hunter2@local host", here)),
        (
            "unknown-key.toml",
            tier("redis://u:hunter2@localhost\", tls = \"1", here),
        ),
        (
            "one.toml",
            "[topology]\ndata_tier = { redis = \"redis://u:hunter2@localhost\" }\n".to_owned(),
        ),
        (
            "word.toml",
            "[topology]\ndata_tier = \"server\"\n".to_owned(),
        ),
        (
            "text.toml",
            "[topology]\ndata_tier = \"redis://u:hunter2@localhost\"\n".to_owned(),
        ),
        (
            "syntax.toml",
            "[topology]\ndata_tier = { redis = \"redis://u:hunter2@localhost\"\n".to_owned(),
        ),
        (
            "schema.toml",
            tier(
                "redis://localhost",
                "postgres://u@localhost\", schema = \"pg_own",
            ),
        ),
    ];
    for (name, content) in files {
        workplace.write(name, format!("{SALE}{content}"));
    }
    let plan = "question = \"how-large-a-crowd\"\nscenario = \"pause.toml\"\n";
    workplace.write("plan.toml", plan);
    workplace
}

fn assert_refused(ended: &Ended, code: i32, words: &str) {
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(code), "{said}");
    assert!(said.contains(words), "no `{words}` in: {said}");
    assert!(!said.contains(PASSWORD), "the password is shown: {said}");
}

#[test]
fn unsupported_faults_and_servers_are_refused_before_the_run() {
    let workplace = workplace();
    for (command, code, words) in [
        (
            "run far.toml",
            92,
            "`redis.example.org` is not a loopback address",
        ),
        ("run far.toml", 92, "redis://:***@redis.example.org:6379"),
        ("run theirs.toml", 104, "never broken by it"),
        (
            "run pause.toml",
            104,
            "this live run does not support the fault `pause-primary` at 2m",
        ),
        ("run pause.toml", 104, "hint: remove the fault"),
        (
            "simulate pause.toml",
            104,
            "the simulation does not support the fault `pause-primary`",
        ),
        ("simulate theirs.toml", 104, "never broken by it"),
        ("run plain.toml --redis redis://localhost", 2, "--database"),
        ("run plain.toml --prefix x", 2, "--redis"),
        ("run plain.toml --data-tier mysql", 2, "embedded, servers"),
        (
            "run plain.toml --data-tier servers --redis redis://u:hunter2@localhost --database postgres://u@localhost",
            2,
            "cannot be used with",
        ),
        (
            "run plain.toml --redis redis://u:hunter2@10.1.2.3 --database postgres://u@localhost",
            92,
            "redis://u:***@10.1.2.3",
        ),
        (
            "run plain.toml --redis redis://u:hunter2@h:0 --database postgres://u@localhost",
            104,
            "`--redis` has an invalid port",
        ),
        (
            "run plain.toml --redis redis://localhost --database mysql://u:hunter2@localhost",
            104,
            "`--database` does not start with `postgres://`",
        ),
        (
            "run plain.toml --redis redis://localhost --database postgres://u@localhost --schema Own",
            104,
            "lowercase letters",
        ),
    ] {
        let words_of: Vec<_> = command.split_whitespace().collect();
        assert_refused(&workplace.run(&words_of), code, words);
    }
    assert!(!workplace.path("reports").exists(), "a run was started");
}

#[test]
fn plan_files_refuse_faults_the_model_does_not_support() {
    let ended = workplace().run(&["check", "plan.toml"]);
    assert_refused(
        &ended,
        104,
        "the simulation does not support the fault `pause-primary`",
    );
}

#[test]
fn data_tier_errors_have_a_position_and_no_password() {
    let workplace = workplace();
    for (file, words) in [
        (
            "bad-port.toml",
            "5:23: `topology.data_tier.redis` has an invalid port",
        ),
        ("unfinished.toml", "`topology.data_tier.redis`"),
        (
            "scheme.toml",
            "does not start with `redis://` (expected a URL such as",
        ),
        ("space.toml", "contains a space or a control character"),
        (
            "unknown-key.toml",
            "unknown key `tls` in `topology.data_tier` (expected one of database, prefix, redis, schema)",
        ),
        ("one.toml", "`database` is missing in `topology.data_tier`"),
        (
            "word.toml",
            "(expected \"embedded\", \"servers\", or a table with the keys redis and database); help: did you mean `servers`?",
        ),
        ("text.toml", "or a table with the keys redis and database"),
        ("syntax.toml", "syntax.toml:"),
        ("schema.toml", "but not with `pg_`"),
    ] {
        assert_refused(&workplace.run(&["check", file]), 104, words);
    }
    let fine = workplace.run(&["check", "theirs.toml", "far.toml"]);
    assert_eq!(fine.code, Some(0), "{}", fine.stderr);
}

#[test]
fn help_does_not_show_server_urls_from_the_environment() {
    let workplace = workplace();
    let with_servers = |arguments: &[&str]| {
        let mut program = workplace.program(arguments);
        program.env("TIKETI_SIM_REDIS", "redis://u:hunter2@10.1.2.3");
        program.env("TIKETI_SIM_DATABASE", "postgres://u:hunter2@localhost/d");
        let output = program.output().expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    };
    assert_refused(
        &with_servers(&["run", "plain.toml"]),
        92,
        "redis://u:***@10.1.2.3",
    );
    assert_refused(&with_servers(&["run", "--help"]), 0, "TIKETI_SIM_REDIS]");
}
