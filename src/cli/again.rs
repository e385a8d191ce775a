//! The command line that repeats a run.

use super::args::{OUT_DEFAULT, RunArguments};
use crate::scenario::duration::Written;

/// The command that runs the scenario again as it was run, whatever the environment says then.
pub(super) fn command_line(flags: &RunArguments, seed: u64) -> String {
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let out = Some(path(&flags.out)).filter(|out| out != OUT_DEFAULT);
    let duration = flags.duration.map(|length| Written(length).to_string());
    let options = [
        ("--seed", Some(seed.to_string())),
        ("--buyers", flags.buyers.map(|buyers| buyers.to_string())),
        ("--duration", duration),
        ("--out", out),
        ("--target", flags.target.clone()),
        (
            "--token-secret-file",
            flags.token_secret_file.as_ref().map(path),
        ),
        ("--tokens", flags.tokens.as_ref().map(path)),
    ];
    let mut words = vec!["tiketi-sim".to_owned(), "run".to_owned()];
    words.push(quoted(&path(&flags.scenario)));
    for (flag, value) in options {
        if let Some(value) = value {
            words.extend([flag.to_owned(), quoted(&value)]);
        }
    }
    if flags.i_own_this_target {
        words.push("--i-own-this-target".to_owned());
    }
    words.join(" ")
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

    fn again(words: &[&str]) -> String {
        let words = ["tiketi-sim", "run"].iter().chain(words);
        match Arguments::parse_from(words).command {
            Command::Run(flags) => command_line(&flags, 7),
            other => panic!("not a run: {other:?}"),
        }
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
        let target =
            "--target http://127.0.0.1:3000 --token-secret-file secret.txt --i-own-this-target";
        let words: Vec<_> = target.split(' ').collect();
        assert_eq!(
            again(&[&["a.toml", "--out", "o"][..], &words].concat()),
            format!("tiketi-sim run a.toml --seed 7 --out o {target}")
        );
    }

    #[test]
    fn a_shell_reads_each_word_as_it_was() {
        assert_eq!(
            again(&["my rush's.toml"]),
            r"tiketi-sim run 'my rush'\''s.toml' --seed 7"
        );
    }
}
