//! The command line that repeats a run.

use super::args::{OUT_DEFAULT, RunArguments, ScenarioArguments};
use tiketi_scenario::duration::Written;

/// The command that runs the scenario again as it was run, whatever the environment says then.
pub(super) fn run(flags: &RunArguments, seed: u64) -> String {
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let options = [
        ("--target", flags.target.clone()),
        (
            "--token-secret-file",
            flags.token_secret_file.as_ref().map(path),
        ),
        ("--tokens", flags.tokens.as_ref().map(path)),
    ];
    let mut line =
        played("run", &flags.played, seed) + &written(&flags.data.again()) + &written(&options);
    if flags.i_own_this_target {
        line.push_str(" --i-own-this-target");
    }
    line
}

/// The command that plays the scenario again in the model.
pub(super) fn simulate(flags: &ScenarioArguments, seed: u64) -> String {
    played("simulate", flags, seed)
}

fn played(command: &str, flags: &ScenarioArguments, seed: u64) -> String {
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
        ("--prices", flags.prices.prices.clone()),
    ];
    let scenario = quoted(&path(&flags.scenario));
    format!("tiketi-sim {command} {scenario}{}", written(&options))
}

/// The options that are there, each with a space before it.
fn written(options: &[(&str, Option<String>)]) -> String {
    let given = options
        .iter()
        .filter_map(|(flag, value)| Some(format!(" {flag} {}", quoted(value.as_ref()?))));
    given.collect()
}

/// A word as a shell reads it back.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
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
            Command::Run(flags) => run(&flags, 7),
            Command::Simulate(flags) => simulate(&flags.played, 7),
            other => panic!("not played: {other:?}"),
        }
    }

    fn again(words: &[&str]) -> String {
        again_as("run", words)
    }

    #[test]
    fn what_was_asked_for_is_asked_for_again() {
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
        let target =
            "--target http://127.0.0.1:3000 --token-secret-file secret.txt --i-own-this-target";
        let words: Vec<_> = target.split(' ').collect();
        assert_eq!(
            again(&[&["a.toml", "--out", "o"][..], &words].concat()),
            format!("tiketi-sim run a.toml --seed 7 --out o {target}")
        );
    }

    #[test]
    fn a_model_run_is_repeated_in_the_model() {
        let words = ["a.toml", "--profile", "b.toml", "--buyers", "20"];
        let expected = "tiketi-sim simulate a.toml --seed 7 --buyers 20 --profile b.toml";
        assert_eq!(again_as("simulate", &words), expected);
    }

    #[test]
    fn a_shell_reads_each_word_as_it_was() {
        assert_eq!(
            again(&["my rush's.toml"]),
            r"tiketi-sim run 'my rush'\''s.toml' --seed 7"
        );
    }
}
