//! The command that reproduces a run.

use super::args::{OUT_DEFAULT, RunArguments, ScenarioArguments};
use tiketi_core::shown::is_control;
use tiketi_scenario::duration::Written;

/// Returns the command that repeats a live run, independent of environment variables; `prices` is the price book that was kept
/// with the run or is built in.
pub(super) fn run(flags: &RunArguments, seed: u64, prices: Option<String>) -> String {
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let buyers = &flags.buyers_of_target;
    let options = [
        ("--target", flags.target.clone()),
        ("--api", buyers.api.as_ref().map(path)),
        (
            "--token-secret-file",
            buyers.token_secret_file.as_ref().map(path),
        ),
        ("--tokens", buyers.tokens.as_ref().map(path)),
        ("--users", buyers.users.as_ref().map(path)),
    ];
    let connection = &flags.connection;
    let authorities = connection.ca.iter().map(|file| ("--ca", Some(path(file))));
    let others = [
        ("--client-cert", connection.client_cert.as_ref().map(path)),
        ("--client-key", connection.client_key.as_ref().map(path)),
        ("--server-name", connection.server_name.clone()),
        ("--http", connection.http.clone()),
    ];
    let of_connection: Vec<_> = authorities.chain(others).collect();
    let mut line = command("run", &flags.common, seed, prices)
        + &written(&flags.data.again())
        + &written(&options)
        + &written(&of_connection);
    if connection.insecure {
        line.push_str(" --insecure");
    }
    if flags.i_own_this_target {
        line.push_str(" --i-own-this-target");
    }
    if flags.allow_exec {
        line.push_str(" --allow-exec");
    }
    line
}

/// Returns the command that repeats a simulation; `prices` as for [`run`].
pub(super) fn simulate(flags: &ScenarioArguments, seed: u64, prices: Option<String>) -> String {
    command("simulate", flags, seed, prices)
}

fn command(name: &str, flags: &ScenarioArguments, seed: u64, prices: Option<String>) -> String {
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let duration = flags.duration.map(|length| Written(length).to_string());
    let options = [
        ("--seed", Some(seed.to_string())),
        ("--buyers", flags.buyers.map(|buyers| buyers.to_string())),
        ("--duration", duration),
        ("--profile", flags.profile.as_ref().map(path)),
        (
            "--out",
            Some(path(&flags.out)).filter(|out| out != OUT_DEFAULT),
        ),
        ("--prices", prices),
    ];
    let scenario = quoted(&path(&flags.scenario));
    format!("tiketi-sim {name} {scenario}{}", written(&options))
}

/// Writes the options that have a value, each with a leading space.
fn written(options: &[(&str, Option<String>)]) -> String {
    let given = options
        .iter()
        .filter_map(|(flag, value)| Some(format!(" {flag} {}", quoted(value.as_ref()?))));
    given.collect()
}

/// Quotes a word for a POSIX shell if it needs quotes.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else if word.chars().any(is_control) {
        // Not POSIX, but bash, zsh and ksh know it, and the command must not control the terminal that shows it.
        format!("$'{}'", word.chars().map(escaped).collect::<String>())
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A character within `$'…'`.
fn escaped(character: char) -> String {
    match character {
        '\'' | '\\' => format!("\\{character}"),
        _ if is_control(character) => {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).bytes();
            bytes.map(|byte| format!("\\x{byte:02x}")).collect()
        }
        _ => character.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Arguments, Command};
    use super::*;

    fn again_as(command: &str, words: &[&str]) -> String {
        let words = ["tiketi-sim", command].into_iter().chain(words.to_vec());
        match Arguments::parse_from(words).command {
            Command::Run(flags) => run(&flags, 7, flags.common.prices.prices.clone()),
            Command::Simulate(flags) => {
                simulate(&flags.common, 7, flags.common.prices.prices.clone())
            }
            other => panic!("neither run nor simulate: {other:?}"),
        }
    }

    fn again(words: &[&str]) -> String {
        again_as("run", words)
    }

    #[test]
    fn flags_of_a_live_run_are_repeated() {
        assert_eq!(again(&["a.toml"]), "tiketi-sim run a.toml --seed 7");
        assert_eq!(
            again(&[
                "a.toml",
                "--duration",
                "1.5s",
                "--buyers=20",
                "--seed",
                "7",
                "-q"
            ]),
            "tiketi-sim run a.toml --seed 7 --buyers 20 --duration 1s500ms"
        );
        assert_eq!(
            again(&["a.toml", "--prices", "mine.toml"]),
            "tiketi-sim run a.toml --seed 7 --prices mine.toml"
        );
        let target = "--target https://127.0.0.1:3000 --token-secret-file secret.txt --ca a.pem --ca b.pem --client-cert c.pem \
                      --client-key k.pem --server-name a.example --http 1.1 --insecure --i-own-this-target --allow-exec";
        let words: Vec<_> = target.split(' ').collect();
        assert_eq!(
            again(&[&["a.toml", "--out", "o"][..], &words].concat()),
            format!("tiketi-sim run a.toml --seed 7 --out o {target}")
        );
    }

    #[test]
    fn flags_of_a_simulation_are_repeated() {
        let words = ["a.toml", "--profile", "b.toml", "--buyers", "20"];
        let expected = "tiketi-sim simulate a.toml --seed 7 --buyers 20 --profile b.toml";
        assert_eq!(again_as("simulate", &words), expected);
    }

    #[test]
    fn words_with_special_characters_are_quoted() {
        assert_eq!(
            again(&["my rush's.toml"]),
            r"tiketi-sim run 'my rush'\''s.toml' --seed 7"
        );
        assert_eq!(
            again(&["a\u{1b}'b.toml"]),
            r"tiketi-sim run $'a\x1b\'b.toml' --seed 7"
        );
    }
}
