//! Replaces passwords of URLs in any text.

/// Shown instead of a password.
const HIDDEN: &str = "***";

/// Any text, such as a file or a message, with `***` in place of each password of a URL in it.
pub fn redacted(text: &str) -> String {
    without_passwords(text, |_| HIDDEN.to_owned())
}

/// Like [`redacted`], with as many `*` as the password has bytes, so that positions in the text do not change.
pub fn masked(text: &str) -> String {
    without_passwords(text, |password| "*".repeat(password.len()))
}

/// How help texts and error messages write an authority: there is no password in it.
const NOTATIONS: [&str; 2] = ["HOST[:PORT]", "HOST:PORT"];

/// Finds URLs by their `://`. When in doubt whether something is a password, hides it.
fn without_passwords(text: &str, hidden: impl Fn(&str) -> String) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>".contains(c);
        let (url, behind) = after.split_at(after.find(ends).unwrap_or(after.len()));
        push_url(&mut shown, url, &hidden);
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

/// Appends the part of a URL after `://`, without the password of its user and those in its parameters.
fn push_url(shown: &mut String, url: &str, hidden: impl Fn(&str) -> String) {
    // Parameters first: once their passwords are gone, the last `@` is the one that ends the user.
    let url = without_password_parameters(url, &hidden);
    let (user, rest) = url
        .rfind('@')
        .map_or_else(|| unfinished_user(&url), |at| (&url[..at], &url[at..]));
    match user.split_once(':') {
        Some((name, password)) if !password.is_empty() => {
            shown.push_str(name);
            shown.push(':');
            shown.push_str(&hidden(password));
        }
        Some(_) | None => shown.push_str(user),
    }
    shown.push_str(rest);
}

fn without_password_parameters(url: &str, hidden: impl Fn(&str) -> String) -> String {
    let mut shown = String::with_capacity(url.len());
    let mut is_parameter = false;
    for part in url.split_inclusive(['?', '&']) {
        let (value, mark) = part
            .strip_suffix(['?', '&'])
            .map_or((part, ""), |value| (value, &part[value.len()..]));
        match value.split_once('=') {
            Some((key, secret)) if is_parameter && key.to_lowercase().contains("pass") => {
                shown.push_str(key);
                shown.push('=');
                shown.push_str(&hidden(secret));
            }
            Some(_) | None => shown.push_str(value),
        }
        shown.push_str(mark);
        is_parameter = true;
    }
    shown
}

/// Without an `@`, text after the first colon is a port, or a password whose `@host` is missing.
fn unfinished_user(url: &str) -> (&str, &str) {
    let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = |port: &str| port.chars().all(|c| c.is_ascii_digit());
    // A message may put a URL in parentheses or at the end of a sentence.
    if NOTATIONS.contains(&authority.trim_end_matches([')', ',', '.'])) {
        return ("", url);
    }
    match authority.split_once(':') {
        Some((_, port)) if !is_port(port) && !authority.starts_with('[') => (url, ""),
        Some(_) | None => ("", url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_users_parameters_and_malformed_urls_are_hidden() {
        let cases = [
            ("redis://:pw@localhost", "redis://:***@localhost"),
            ("redis://localhost:6379", "redis://localhost:6379"),
            ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
            ("postgres://u:p@w@h/d", "postgres://u:***@h/d"),
            ("postgres://u:a/b@h/d", "postgres://u:***@h/d"),
            (
                "postgres://u@h/d?password=pw&a=b",
                "postgres://u@h/d?password=***&a=b",
            ),
            (
                "postgres://u@h:1/d?password=a@pw&a=b",
                "postgres://u@h:1/d?password=***&a=b",
            ),
            ("redis://user:secret", "redis://user:***"),
            (
                "set redis = \"redis://u:pw@h\" # x",
                "set redis = \"redis://u:***@h\" # x",
            ),
            ("no URL: a@b", "no URL: a@b"),
            (
                "(expected http://HOST[:PORT] or https://HOST[:PORT])",
                "(expected http://HOST[:PORT] or https://HOST[:PORT])",
            ),
        ];
        for (text, shown) in cases {
            assert_eq!(redacted(text), shown);
            assert_eq!(masked(text).len(), text.len(), "{text}");
            assert!(!masked(text).contains("pw"), "{text}");
        }
    }
}
