//! The README never lies: each of its commands is executed, and each of its scenarios checked and simulated.
//!
//! Commands run in a folder with small files under the names that the README uses, so that hours become seconds. A command
//! that the table does not know fails the test, and so does a line of the table that the README no longer has.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use crate::command::Workplace;
use clap::Parser as _;
use tiketi_server::{EmbeddedTier, Instance, Section, Settings, Show};
use tiketi_sim::cli::Arguments;

/// A sale of a few seconds, in the place of every scenario that the README names.
const SMALL: &str = r#"# Does a small sale work?
name = "small"
seed = 3
arrivals = [{ shape = "onsale", buyers = 20, opens_at = "1s", waiting_before = 0.5, decay = "2s", until = "8s" }]
gates = { tickets_sold = ["count >= 1"] }
self_check.send_lag_p99_max = "1m"

[clock]
duration = "20s"
warmup   = "0s"
speed    = 10

[show]
sections = [{ name = "A", rows = 4, seats_per_row = 10, price = 1_000 }]

[buyers]
call_timeout = "60s"
browse       = "200ms"
seat_pick    = "1s"
payment      = "1s"
pays         = 1.0
"#;

/// How a command of the README is tested.
#[derive(Clone, Copy)]
enum How {
    /// It runs as it is, and exits with one of these codes.
    As(&'static [i32]),
    /// It runs with other words in the place of some of its own.
    With(&'static [(&'static str, &'static str)], &'static [i32]),
    /// Its words are only parsed, for this reason, which is printed.
    Parsed(&'static str),
}

/// A sale in debug mode on a busy machine may be inconclusive, but it is never invalid.
const RUN: &[i32] = &[0, 91, 99];

/// Every command of the README: how it starts, and how it is tested.
const COMMANDS: [(&str, How); 24] = [
    ("run scenarios/smoke.toml", How::As(RUN)),
    (
        "run scenarios/spike.toml --buyers 2000",
        How::With(&[("2000", "10"), ("/var/tmp/reports", "elsewhere")], RUN),
    ),
    ("run scenarios/spike.toml", How::As(RUN)),
    (
        "run scenarios/az-loss.toml --data-tier servers",
        How::Parsed("needs Redis and PostgreSQL; tests/live/servers.rs runs such sales"),
    ),
    (
        "simulate scenarios/spike.toml --buyers 100000",
        How::With(&[("100000", "50")], &[0]),
    ),
    (
        "plan scenarios/plans/documented-capacity.toml",
        How::As(&[0, 99]),
    ),
    (
        "plan scenarios/plans/cheapest-fleet.toml",
        How::As(&[0, 99]),
    ),
    ("plan scenarios/plans/queue-or-cpu.toml", How::As(&[0])),
    (
        "compare reports/before reports/after",
        How::As(&[0, 91, 93]),
    ),
    ("calibrate reports/<live run>", How::As(&[0, 91])),
    (
        "compare --model --profile profile.toml reports/<live run>…",
        How::As(&[0, 91, 93]),
    ),
    (
        "cost scenarios/spike.toml --prices my-prices.toml",
        How::As(&[0]),
    ),
    ("cost", How::As(&[0])),
    (
        "timeline",
        How::With(&[("timeline", "timeline --seeds 3")], &[0]),
    ),
    (
        "targets",
        How::With(&[("targets", "targets reports")], &[0]),
    ),
    (
        "theory mmc",
        How::Parsed(
            "takes minutes in a debug build; tests/commands/theory.rs gives cases other parameters",
        ),
    ),
    (
        "theory",
        How::With(&[("theory", "theory retry --replications 5")], &[0, 90]),
    ),
    (
        "run scenarios/steady.toml --prefix run:",
        How::Parsed(
            "needs servers of somebody else; tests/commands/servers_given.rs runs such sales",
        ),
    ),
    ("run scenarios/staging.toml --target", How::As(RUN)),
    (
        "probe --target http://127.0.0.1:3000 --api scenarios/apis/ticketdrop.toml",
        How::Parsed("needs a system with this API; tests/targets/mapped.rs has one"),
    ),
    ("map --har visit.har --out my-api.toml", How::As(&[0])),
    (
        "check --api my-api.toml --openapi openapi.yaml",
        How::As(&[0]),
    ),
    ("cargo test --workspace", How::Parsed("runs this test")),
    (
        "cargo run --release -p tiketi-server",
        How::Parsed("serves until it is stopped; tests/targets/staging.rs has such a server"),
    ),
];

/// The code blocks of the README with this language.
fn blocks(language: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(path).expect("the README exists");
    let start = format!("```{language}\n");
    let blocks = text.split(&start).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// A command of the README: the variables before it, and its words after the program's name.
#[derive(Debug)]
struct Command {
    variables: Vec<(String, String)>,
    words: String,
}

/// All commands of the README, in its order.
fn commands() -> Vec<Command> {
    let mut commands = Vec::new();
    for block in blocks("sh") {
        let block = block.replace("\\\n", "");
        let lines = block
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim());
        for line in lines.filter(|line| !line.is_empty()) {
            let built = line.strip_prefix("cargo run --release -- ");
            let (before, words) = match (built, line.split_once("tiketi-sim ")) {
                (Some(words), _) => ("", words),
                (None, Some((before, words))) => (before, words),
                (None, None) => ("", line),
            };
            let variables = before.split_whitespace().map(|assignment| {
                let (name, value) = assignment.split_once('=').expect("an assignment");
                (name.to_owned(), value.to_owned())
            });
            commands.push(Command {
                variables: variables.collect(),
                words: words.split_whitespace().collect::<Vec<_>>().join(" "),
            });
        }
    }
    commands
}

/// A folder with the files that the commands name.
/// A profile, for when none could be derived.
const PROFILE: &str = include_str!("../../fuzz/seeds/profile/calibrated.toml");

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    for folder in ["scenarios/plans", "reports"] {
        std::fs::create_dir_all(workplace.path(folder)).expect("the folder can be made");
    }
    for name in ["smoke", "spike", "az-loss"] {
        workplace.write(&format!("scenarios/{name}.toml"), SMALL);
    }
    // A target has no clock that could be faster.
    workplace.write(
        "scenarios/staging.toml",
        SMALL.replace("speed    = 10", "speed    = 1"),
    );
    let plan = |question: &str, rest: &str| {
        format!(
            "# Is it enough?\nquestion = \"{question}\"\nscenario = \"../spike.toml\"\n[search]\nreplications = 2\n{rest}"
        )
    };
    let capacity = plan(
        "largest-crowd",
        "confirm = 5\nholds_in = 0.5\nconfidence = 0.6\n[crowd]\nfrom = 10\nto = 40\nwithin = 0.5\n",
    );
    workplace.write("scenarios/plans/documented-capacity.toml", capacity);
    let cheapest = plan(
        "cheapest-setup",
        "confirm = 5\nholds_in = 0.5\nconfidence = 0.6\n[vary]\nscaling.min = [2, 3]\n",
    );
    workplace.write("scenarios/plans/cheapest-fleet.toml", cheapest);
    let signals = plan(
        "compare",
        "[[variants]]\nname = \"more\"\nset = { scaling.min = 3 }\n",
    );
    workplace.write("scenarios/plans/queue-or-cpu.toml", signals);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let prices = std::fs::read(root.join("scenarios/prices/aws-ap-northeast-2.toml"));
    workplace.write("my-prices.toml", prices.expect("the book is shipped"));
    let drafts = root.join("crates/api-draft/tests");
    for (name, from) in [
        ("visit.har", "recordings/tiers.har"),
        ("openapi.yaml", "documents/tiers.yaml"),
    ] {
        let text = std::fs::read(drafts.join(from)).expect("the file is there");
        workplace.write(name, text);
    }
    workplace.write("secret.txt", "a secret for this test\n");
    for name in ["before", "after"] {
        let made = workplace.run(&["simulate", "scenarios/spike.toml", "--out", "made"]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        keep_run(&workplace, "made", name);
    }
    let live = workplace.run(&["run", "scenarios/spike.toml", "--out", "made"]);
    assert!(RUN.contains(&live.code.unwrap_or(-1)), "{}", live.stderr);
    keep_run(&workplace, "made", "live");
    workplace
}

/// Moves the only run in a folder to `reports`, under another name.
fn keep_run(workplace: &Workplace, from: &str, name: &str) {
    let folder = std::fs::read_dir(workplace.path(from)).expect("the folder is there");
    let run = folder
        .map(|entry| entry.expect("it can be listed").path())
        .next();
    let to = workplace.path("reports").join(name);
    std::fs::rename(run.expect("a run"), to).expect("the run can be moved");
}

/// A server to send a small sale to; it trusts the tokens that the secret signs.
fn target() -> Instance {
    let settings = Settings {
        jwt_secret: "a secret for this test".to_owned(),
        trust_tokens: true,
        ..Settings::default()
    };
    let section = Section {
        name: "A".to_owned(),
        rows: 4,
        seats_per_row: 10,
        price: 1_000,
    };
    let show = Show::new("small", vec![section]);
    let tier = EmbeddedTier::new(&settings, vec![show], Duration::from_secs(1));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    Instance::start("target", listener, tier, settings).expect("the server starts")
}

/// How to test a command: the first line of the table that it begins with.
fn how(command: &Command) -> usize {
    let found = COMMANDS
        .iter()
        .position(|(start, _)| command.words.starts_with(start));
    found.unwrap_or_else(|| panic!("the table does not say how to test `{}`", command.words))
}

/// Parses the words as the program would.
fn parse(command: &Command) {
    if command.words.starts_with("cargo ") {
        return;
    }
    let flags = command.variables.iter().flat_map(|(name, value)| {
        let flag = name
            .strip_prefix("TIKETI_SIM_")
            .expect("a variable of the program");
        [format!("--{}", flag.to_lowercase()), value.clone()]
    });
    let words = command.words.replace("<live run>", "live").replace('…', "");
    let words = words.split_whitespace().map(str::to_owned);
    let all = ["tiketi-sim".to_owned()]
        .into_iter()
        .chain(words)
        .chain(flags);
    if let Err(error) = Arguments::try_parse_from(all) {
        panic!("{}: {error}", command.words);
    }
}

#[test]
fn every_command_of_the_readme_works() {
    let commands = commands();
    commands.iter().for_each(parse);
    let mut unused: Vec<_> = (0..COMMANDS.len()).collect();
    let workplace = workplace();
    let target = target();
    for command in &commands {
        let place = how(command);
        unused.retain(|other| *other != place);
        let (replaced, codes): (&[(&str, &str)], _) = match COMMANDS[place].1 {
            How::As(codes) => (&[], codes),
            How::With(replaced, codes) => (replaced, codes),
            How::Parsed(reason) => {
                println!("only parsed: {} ({reason})", command.words);
                continue;
            }
        };
        let mut words = command.words.replace("<live run>", "live").replace('…', "");
        words = words.replace(
            "http://127.0.0.1:3000",
            &format!("http://{}", target.address()),
        );
        for (word, other) in replaced {
            assert!(words.contains(word), "{words} has no {word}");
            words = words.replace(word, other);
        }
        let arguments: Vec<_> = words.split_whitespace().collect();
        let ended = workplace.run(&arguments);
        let code = ended.code.expect("it exits normally");
        assert!(
            codes.contains(&code),
            "{words} exits with {code}:\n{}\n{}",
            ended.stdout,
            ended.stderr
        );
        if arguments[0] == "calibrate" && code == 91 {
            // On a busy machine the live run is inconclusive, and no profile is derived from it.
            workplace.write("profile.toml", PROFILE);
        }
    }
    target.kill();
    target.join();
    let unused: Vec<_> = unused.iter().map(|place| COMMANDS[*place].0).collect();
    assert!(unused.is_empty(), "the README no longer has {unused:?}");
    assert!(commands.len() > 15, "only {} commands", commands.len());
}

/// A block that starts with a question is a whole scenario; the others are fragments of one.
#[test]
fn every_scenario_of_the_readme_is_valid_and_runs() {
    let workplace = Workplace::new();
    let (scenarios, fragments): (Vec<_>, Vec<_>) = blocks("toml")
        .into_iter()
        .filter(|block| !is_mapping(block))
        .partition(|block| block.starts_with('#'));
    assert!(scenarios.len() > 1 && fragments.len() > 1, "{scenarios:?}");
    let whole = scenarios.iter().cloned();
    let completed = fragments
        .iter()
        .map(|fragment| format!("{}\n{fragment}", scenarios[0]));
    for (number, text) in whole.chain(completed).enumerate() {
        let name = format!("block-{number}.toml");
        workplace.write(&name, &text);
        let checked = workplace.run(&["check", &name]);
        assert_eq!(checked.code, Some(0), "{text}\n{}", checked.stderr);
        let run = workplace.run(&["simulate", &name, "--buyers", "30", "--out", "runs"]);
        let code = run.code.expect("it exits normally");
        // A simulation runs no programs, and says so.
        let expected: &[i32] = if text.contains("action = \"exec\"") {
            &[104]
        } else {
            &[0, 90, 91, 99]
        };
        assert!(expected.contains(&code), "{text}\n{}", run.stderr);
    }
}

fn is_mapping(block: &str) -> bool {
    block.contains("[queue_enter]")
}

#[test]
fn every_mapping_of_the_readme_compiles() {
    let mut mappings = blocks("toml");
    mappings.retain(|block| is_mapping(block));
    assert_eq!(mappings.len(), 1);
    for text in mappings {
        let loaded = tiketi_scenario::load_api("readme.toml", &text);
        loaded.unwrap_or_else(|problems| panic!("{problems}"));
    }
}

/// Every command that the README lists in a table exists.
#[test]
fn commands_in_tables_exist() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(path).expect("the README exists");
    let rows = readme
        .lines()
        .filter_map(|line| line.split_once("| `tiketi-sim "));
    let names: Vec<_> = rows
        .filter_map(|(_, rest)| rest.split('`').next())
        .collect();
    assert!(names.len() >= 10, "{names:?}");
    let workplace = Workplace::new();
    for name in names {
        let ended = workplace.run(&[name, "--help"]);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
    }
}

/// The table of claims is what the command prints for the committed runs. `BLESS=1` replaces it.
#[test]
fn the_table_of_claims_is_that_of_the_committed_runs() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_tiketi-sim"))
        .args(["targets", "--format", "markdown"])
        .current_dir(root)
        .output()
        .expect("the program starts");
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).expect("it prints text");
    let rows: Vec<_> = printed
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    assert_eq!(rows.len(), 40, "headings, a rule, and 38 claims");
    let table = rows.join("\n");
    let path = root.join("README.md");
    let readme = std::fs::read_to_string(&path).expect("the README exists");
    let (before, rest) = readme.split_once("<!-- claims").expect("it has the table");
    let (mark, rest) = rest.split_once("-->\n").expect("the mark ends");
    let (shown, after) = rest
        .split_once("<!-- end of claims -->")
        .expect("the table ends");
    if std::env::var_os("BLESS").is_some() {
        let text = format!("{before}<!-- claims{mark}-->\n{table}\n<!-- end of claims -->{after}");
        std::fs::write(&path, text).expect("the README can be written");
    } else {
        assert!(
            shown.trim() == table,
            "the README has another table; accept this one with BLESS=1:\n{table}"
        );
    }
    assert!(
        before.lines().count() * 3 < readme.lines().count(),
        "the table is not in the first third"
    );
}
