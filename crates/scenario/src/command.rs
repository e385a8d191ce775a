//! The user's own commands, as they may be shown: they can contain passwords and tokens.

use tiketi_api::mask;
use tiketi_core::fault::catalog::Action;
use tiketi_core::shown::on_one_line;

/// Characters of a command that are shown. Longer ones fit into no line of a timeline.
const SHOWN_MAX: usize = 100;

/// What stands for a secret.
const MASK: &str = "***";

/// Returns the name under which reports show a fault that a command carries out: the scenario's name for it, or else the
/// command without its secrets. `None` for any other fault.
pub fn label(action: &Action) -> Option<String> {
    match action {
        Action::Exec { name, run, .. } => Some(name.clone().unwrap_or_else(|| shown(run))),
        Action::Fis { name, template, .. } => {
            Some(name.clone().unwrap_or_else(|| template.clone()))
        }
        _ => None,
    }
}

/// Returns a command on one line, shortened, with `***` for what may be a secret: the value of an option, variable or header
/// with such a name, a password in a URL, a JWT.
pub fn shown(words: &[String]) -> String {
    let mut secret = Secret::No;
    let words: Vec<String> = words
        .iter()
        .map(|word| {
            let parts: Vec<_> = word.split(' ').map(|part| secret.mask(part)).collect();
            let word = parts.join(" ");
            if word.is_empty() || word.contains(' ') {
                format!("'{word}'")
            } else {
                word
            }
        })
        .collect();
    let line = words.join(" ");
    let line = on_one_line(&line);
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into_owned(),
    }
}

/// Whether the next word is a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secret {
    No,
    /// The next word is the value of an option or a header.
    Next,
}

impl Secret {
    fn mask(&mut self, word: &str) -> String {
        let is_next = std::mem::replace(self, Self::No) == Self::Next;
        if is_next && !word.is_empty() {
            // `Authorization: Bearer x`.
            let scheme = word.trim_matches(['"', '\'']);
            if ["Basic", "Bearer", "Token"].contains(&scheme) {
                *self = Self::Next;
                return word.to_owned();
            }
            return MASK.to_owned();
        }
        if let Some((name, _)) = word.split_once('=')
            && mask::is_secret(name)
        {
            return format!("{name}={MASK}");
        }
        if let Some((name, value)) = word.split_once(':')
            && mask::is_secret(name)
        {
            if value.is_empty() {
                *self = Self::Next;
                return word.to_owned();
            }
            return format!("{name}:{MASK}");
        }
        let is_option = word.starts_with('-');
        if is_option && (mask::is_secret(word) || ["-u", "--user", "-p"].contains(&word)) {
            *self = Self::Next;
        }
        without_userinfo(&without_jwt(&mask::path(word)))
    }
}

/// Hides the user and the password of a URL.
fn without_userinfo(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else {
        return word.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{MASK}{}", &rest[at..]),
        None => word.to_owned(),
    }
}

/// Hides a word that contains what looks like a JWT.
fn without_jwt(word: &str) -> String {
    match word.find("eyJ") {
        Some(at) if word[at..].contains('.') => format!("{}{MASK}", &word[..at]),
        Some(_) | None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> String {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        shown(&words)
    }

    #[test]
    fn a_command_is_shown_without_its_secrets() {
        let cases: [(&[&str], &str); 9] = [
            (
                &["kubectl", "delete", "pod", "api-0"],
                "kubectl delete pod api-0",
            ),
            (&["x", "--token", "abc", "-v"], "x --token *** -v"),
            (&["x", "--password=abc"], "x --password=***"),
            (
                &["env", "PGPASSWORD=abc", "psql"],
                "env PGPASSWORD=*** psql",
            ),
            (
                &["curl", "-H", "Authorization: Bearer abc", "http://h/"],
                "curl -H 'Authorization: Bearer ***' http://h/",
            ),
            (
                &["curl", "-u", "kim:abc", "http://h/"],
                "curl -u *** http://h/",
            ),
            (
                &["redis-cli", "redis://kim:abc@h/1"],
                "redis-cli redis://***@h/1",
            ),
            (
                &["curl", "http://h/?a=1&token=abc"],
                "curl http://h/?a=1&token=***",
            ),
            (
                &["sh", "-c", "curl -H 'X-Api-Key: abc' http://h && true"],
                "sh -c 'curl -H 'X-Api-Key: *** http://h && true'",
            ),
        ];
        for (words, expected) in cases {
            assert_eq!(of(words), expected);
        }
        assert!(!of(&["x", "a.eyJhbGciOi.eyJzdWIi.c2ln"]).contains("c2ln"));
    }

    #[test]
    fn a_long_command_is_cut_and_cannot_control_a_terminal() {
        let shown = of(&["sh", "-c", &"echo \u{1b}[31m ".repeat(50)]);
        assert!(shown.chars().count() <= SHOWN_MAX + 1 && !shown.contains('\u{1b}'));
    }
}
