//! Hides secrets in what is shown of requests and responses.

use std::borrow::Cow;

use tiketi_core::shown::on_one_line;

/// Names whose values are secrets, in parts of lower case.
const SECRETS: [&str; 9] = [
    "authorization",
    "cookie",
    "token",
    "password",
    "passwd",
    "secret",
    "session",
    "api-key",
    "apikey",
];

/// What stands for a secret.
const MASK: &str = "***";

/// Characters of a body that are shown.
const SHOWN_MAX: usize = 400;

/// Returns whether the value of something with this name is a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('_', "-");
    SECRETS.iter().any(|secret| name.contains(secret)) || name == "pw" || name == "pwd"
}

/// Returns the value of a header as it may be shown.
pub fn header<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    if is_secret(name) {
        return MASK.into();
    }
    cut(value)
}

/// Returns a path with its query as it may be shown.
pub fn path(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else {
        return path.to_owned();
    };
    let masked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    });
    let masked: Vec<_> = masked.collect();
    format!("{path}?{}", masked.join("&"))
}

/// Returns a body as it may be shown: on one line, cut, and without the secrets of JSON. `known` are texts that are secrets wherever
/// they appear.
pub fn body(bytes: &[u8], known: &[&str]) -> String {
    let mut text = match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(mut json) => {
            mask_json(&mut json);
            json.to_string()
        }
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    };
    for secret in known.iter().filter(|secret| secret.len() >= 4) {
        text = text.replace(*secret, MASK);
    }
    text = without_jwts(&text);
    cut(&text).into_owned()
}

fn mask_json(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                let is_single = value.is_string() || value.is_number() || value.is_array();
                if is_secret(name) && is_single {
                    *value = MASK.into();
                } else {
                    mask_json(value);
                }
            }
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(mask_json),
        _ => {}
    }
}

/// Hides what looks like a JWT, in a body that is not JSON.
fn without_jwts(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("eyJ") {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
        out.push_str(before);
        out.push_str(if from[..end].contains('.') {
            MASK
        } else {
            &from[..end]
        });
        rest = &from[end..];
    }
    out.push_str(rest);
    out
}

fn cut(text: &str) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(SHOWN_MAX) else {
        return on_one_line(text);
    };
    format!("{}… ({} bytes)", on_one_line(&text[..end]), text.len()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_are() {
        assert_eq!(header("Authorization", "Bearer x"), "***");
        assert_eq!(header("X-Queue-Token", "x"), "***");
        assert_eq!(header("retry-after", "3"), "3");
        assert_eq!(path("/a?queueToken=abc&b=1"), "/a?queueToken=***&b=1");
        let json = br#"{"user":{"accessToken":"abc","name":"kim","password":"p"},"list":[{"session_id":7}]}"#;
        let shown = body(json, &["kim!"]);
        assert!(!shown.contains("abc") && !shown.contains(":7"), "{shown}");
        assert!(shown.contains(r#""name":"kim""#), "{shown}");
        let shown = body(
            b"<p>your token: hush-hush eyJhbGci.eyJ1.c2ln</p>",
            &["hush-hush"],
        );
        assert_eq!(shown, "<p>your token: *** ***</p>");
    }

    #[test]
    fn a_long_body_is_cut_and_stays_on_one_line() {
        let shown = body("줄\n\u{1b}[31m".repeat(1_000).as_bytes(), &[]);
        assert!(shown.chars().count() < 500 && !shown.contains(['\n', '\u{1b}']));
    }
}
