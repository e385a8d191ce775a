//! What a server said, short enough for a report and without secrets.

/// Longest excerpt, in characters: an error message fits, a page of HTML does not.
pub const LENGTH_MAX: usize = 240;

/// Bytes of a body that are looked at; more than an excerpt of four-byte characters needs.
const BYTES_MAX: usize = 4 * LENGTH_MAX + 64;

/// Shortest run of letters and digits that counts as a secret: a UUID without hyphens has 32 characters.
const SECRET_LENGTH_MIN: usize = 33;

/// Parts of the names of fields whose values are secrets.
const SECRET_NAMES: [&str; 7] = [
    "authorization",
    "cookie",
    "credential",
    "jwt",
    "password",
    "secret",
    "token",
];

/// What replaces a secret.
const MASK: &str = "***";

/// Returns the beginning of a body on one line, with secrets masked: JSON Web Tokens, values of fields with names such as
/// `token` or `password`, what follows `Bearer`, and long runs of letters and digits.
pub fn of_body(body: &[u8]) -> String {
    let is_whole = body.len() <= BYTES_MAX;
    let text = String::from_utf8_lossy(&body[..body.len().min(BYTES_MAX)]);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let masked = masked(&text);
    let mut shown: String = masked.chars().take(LENGTH_MAX).collect();
    if !is_whole || masked.chars().nth(LENGTH_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Returns the text with what may be a secret replaced by `***`.
pub fn masked(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_.+/=~".contains(c);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    // Whether the value of a secret field, or what follows `Bearer`, comes next.
    let mut hides_next = false;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if length == 0 {
            shown.push(first);
            rest = &rest[first.len_utf8()..];
            // The value ends where the next field begins.
            hides_next &= !matches!(first, ',' | '}' | ']' | ';' | '&');
            continue;
        }
        let (word, after) = rest.split_at(length);
        rest = after;
        let lower = word.to_ascii_lowercase();
        let is_name = after
            .trim_start_matches(['"', '\'', '\\', ' '])
            .starts_with(':')
            || word.contains('=');
        if let (true, Some((name, _))) = (is_named(&lower), word.split_once('=')) {
            shown.push_str(name);
            shown.push('=');
            shown.push_str(MASK);
        } else if lower == "bearer" || (is_name && is_named(&lower)) {
            shown.push_str(word);
            hides_next = true;
        } else if hides_next || is_secret(word) {
            shown.push_str(MASK);
        } else {
            shown.push_str(word);
        }
    }
    shown
}

fn is_named(lower: &str) -> bool {
    SECRET_NAMES.iter().any(|name| lower.contains(name))
}

/// Whether a word looks like a token: a JWT, or long with digits and letters mixed.
fn is_secret(word: &str) -> bool {
    let is_jwt = word.starts_with("eyJ") && word.contains('.');
    let longest = word.split(['-', '.', '/', '_']).map(str::len).max();
    let has = |is: fn(&char) -> bool| word.chars().any(|c| is(&c));
    let is_mixed = has(char::is_ascii_digit) && has(char::is_ascii_alphabetic);
    is_jwt || (longest.unwrap_or(0) >= SECRET_LENGTH_MIN && is_mixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_error_stay_what_they_are() {
        for text in [
            r#"{"success":false,"message":"Cannot read properties of undefined (reading 'labels')"}"#,
            r#"{"error":"사용자 정보를 찾을 수 없습니다. 다시 로그인해주세요.","code":"USER_NOT_FOUND"}"#,
            r#"{"error":"seat 00000000-0000-4000-8000-000000001000 is taken"}"#,
            r#"{"message":"Invalid authentication token"}"#,
            "relation \"seats\" does not exist at /app/src/db.js:31:7",
        ] {
            assert_eq!(of_body(text.as_bytes()), text);
        }
    }

    #[test]
    fn secrets_are_masked_wherever_they_are() {
        for text in [
            r#"{"token":"hush","password" : "hush hush","a":1}"#,
            r#"{"accessToken":"hush"}"#,
            r#"{\"token\":\"hush\"}"#,
            "authorization: Bearer hush",
            "no user for eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJodXNoIn0.hush",
            "key 0123456789abcdef0123456789abcdefhush",
            "https://a.example/x?token=hush&b=1",
            "Set-Cookie: session=hush; Path=/",
        ] {
            let shown = of_body(text.as_bytes());
            assert!(!shown.contains("hush") && !shown.contains("eyJ"), "{shown}");
            assert!(shown.contains(MASK), "{shown}");
        }
    }

    #[test]
    fn a_field_after_a_secret_one_is_shown() {
        let shown = of_body(br#"{"token":"hush","message":"expired"}"#);
        assert_eq!(shown, r#"{"token":"***","message":"expired"}"#);
    }

    #[test]
    fn a_long_body_is_cut_and_bytes_that_are_no_text_do_no_harm() {
        let shown = of_body("좌석 ".repeat(100_000).as_bytes());
        assert_eq!(shown.chars().count(), LENGTH_MAX + 1);
        assert!(shown.ends_with('…'));
        assert_eq!(of_body(&[0xff, 0xfe, b'a']), "\u{fffd}\u{fffd}a");
        assert_eq!(of_body(b""), "");
    }
}
