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

/// Shortest run of letters and digits that counts as a token: a UUID without hyphens has 32 characters.
const TOKEN_LENGTH_MIN: usize = 33;

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
    text = without_tokens(&text);
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

/// Hides what looks like a secret in a text that is not JSON: tokens, what follows `Bearer`, and values with the name of a secret.
fn without_tokens(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.+/=~".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_next = false;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            // The value of a secret ends where the next one begins.
            is_next &= !matches!(first, ',' | ';' | '}' | ']' | '&' | '<');
            continue;
        }
        let (word, after) = rest.split_at(length);
        rest = after;
        let named = word.split_once('=').filter(|(name, _)| is_secret(name));
        let is_name = |word| {
            after
                .trim_start_matches(['"', '\'', '\\', ' '])
                .starts_with(':')
                && is_secret(word)
        };
        if let Some((name, _)) = named {
            out.extend([name, "=", MASK]);
        } else if word.eq_ignore_ascii_case("bearer") || is_name(word) {
            out.push_str(word);
            is_next = true;
        } else if is_next || is_token(word) {
            out.push_str(MASK);
            is_next = false;
        } else {
            out.push_str(word);
        }
    }
    out
}

/// Whether a word looks like a token: a JWT, or long, with digits and letters mixed.
fn is_token(word: &str) -> bool {
    let is_jwt = word.starts_with("eyJ") && word.contains('.');
    let longest = word.split(['-', '.', '/', '_']).map(str::len).max();
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    is_jwt || (longest.unwrap_or(0) >= TOKEN_LENGTH_MIN && is_mixed)
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
    fn the_words_of_an_error_stay_what_they_are() {
        for text in [
            r#"{"message":"Cannot read properties of undefined (reading 'labels')","success":false}"#,
            r#"{"code":"USER_NOT_FOUND","error":"사용자 정보를 찾을 수 없습니다. 다시 로그인해주세요."}"#,
            r#"{"error":"seat 00000000-0000-4000-8000-000000001000 is taken"}"#,
            r#"{"message":"Invalid authentication token"}"#,
            "relation \"seats\" does not exist at /app/src/db.js:31:7",
        ] {
            assert_eq!(body(text.as_bytes(), &[]), text);
        }
    }

    #[test]
    fn secrets_in_a_text_are_hidden_too() {
        for text in [
            r#"{\"token\":\"hush\"}"#,
            "authorization: Bearer hush",
            r#"{"message":"no user for eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJodXNoIn0.hush"}"#,
            "key 0123456789abcdef0123456789abcdefhush",
            "https://a.example/x?token=hush&b=1",
            "Set-Cookie: session=hush; Path=/",
        ] {
            let shown = body(text.as_bytes(), &[]);
            assert!(!shown.contains("hush") && !shown.contains("eyJ"), "{shown}");
            assert!(shown.contains(MASK), "{shown}");
        }
    }

    #[test]
    fn a_long_body_is_cut_and_stays_on_one_line() {
        let shown = body("줄\n\u{1b}[31m".repeat(1_000).as_bytes(), &[]);
        assert!(shown.chars().count() < 500 && !shown.contains(['\n', '\u{1b}']));
    }
}
