//! What a text looks like: a word, a number, an id, a token.

/// Words of names that say nothing about what the value is of.
const GENERIC: [&str; 17] = [
    "id", "uuid", "no", "number", "key", "code", "slug", "value", "data", "item", "list", "result",
    "x", "the", "api", "current", "token",
];

/// Words that say that a value identifies something.
const IDENTIFYING: [&str; 10] = [
    "id",
    "uuid",
    "no",
    "number",
    "key",
    "code",
    "slug",
    "token",
    "ref",
    "reference",
];

/// Names of what is sold.
pub(crate) const SHOW: &[&str] = &[
    "event",
    "show",
    "concert",
    "performance",
    "schedule",
    "product",
    "game",
    "match",
    "goods",
    "exhibition",
];

/// Names of seats.
pub(crate) const SEAT: &[&str] = &["seat"];

/// Names of what a hold gives.
pub(crate) const RESERVATION: &[&str] = &[
    "reservation",
    "hold",
    "booking",
    "order",
    "lock",
    "purchase",
];

/// Names of buyers.
pub(crate) const USER: &[&str] = &["user", "member", "customer", "buyer", "account"];

/// Returns whether one of the words is one of these.
pub(crate) fn any(words: &[String], of: &[&str]) -> bool {
    words.iter().any(|word| of.contains(&word.as_str()))
}

/// Returns the words of a name, in lower case and singular: `seatIds` has `seat` and `id`.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut follows_small = false;
    for character in name.chars() {
        let begins = character.is_uppercase() && follows_small;
        if begins || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && character.is_alphanumeric()
        {
            word.extend(character.to_lowercase());
        }
        follows_small = character.is_lowercase() || character.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words.iter().map(|word| singular(word).to_owned()).collect()
}

fn singular(word: &str) -> &str {
    let is_plural = word.len() > 2 && !word.ends_with("ss") && !word.ends_with("us");
    match word.strip_suffix('s') {
        Some(one) if is_plural => one,
        _ => word,
    }
}

/// Returns the words that say what the value is of.
pub(crate) fn telling(words: &[String]) -> impl Iterator<Item = &String> {
    words
        .iter()
        .filter(|word| !GENERIC.contains(&word.as_str()))
}

/// Returns whether a name says that its value identifies something.
pub(crate) fn is_identifying(name: &str) -> bool {
    words(name)
        .iter()
        .any(|word| IDENTIFYING.contains(&word.as_str()))
}

/// Returns whether the value is a secret by its name. An id of a session is one; so is a token.
pub(crate) fn is_secret(name: &str) -> bool {
    const MORE: [&str; 8] = ["card", "cvc", "cvv", "pin", "ssn", "csrf", "xsrf", "otp"];
    tiketi_api::mask::is_secret(name)
        || words(name).iter().any(|word| MORE.contains(&word.as_str()))
}

/// Returns whether a name is that of a password.
pub(crate) fn is_password(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("password") || ["pw", "pwd", "passwd", "passcode"].contains(&name.as_str())
}

/// Returns whether a value belongs to a person, by its name.
pub(crate) fn is_personal(name: &str) -> bool {
    const PERSONAL: [&str; 12] = [
        "email",
        "mail",
        "phone",
        "mobile",
        "username",
        "nickname",
        "birth",
        "birthday",
        "address",
        "firstname",
        "lastname",
        "fullname",
    ];
    let name = name.to_lowercase().replace(['_', '-'], "");
    name == "name"
        || words(&name)
            .iter()
            .any(|word| PERSONAL.contains(&word.as_str()))
}

/// Returns whether the text is a whole number.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether the text has the form of a UUID.
pub(crate) fn is_uuid(text: &str) -> bool {
    let mut lengths = text.split('-').map(str::len);
    let is_hex = |c: char| c.is_ascii_hexdigit() || c == '-';
    text.chars().all(is_hex)
        && [8, 4, 4, 4, 12]
            .iter()
            .all(|want| lengths.next() == Some(*want))
        && lengths.next().is_none()
}

/// Returns whether the text has the form of a JWT.
pub(crate) fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.matches('.').count() == 2
}

/// Returns whether the text was generated: a UUID, a token, an id with mixed digits and letters.
pub(crate) fn is_opaque(text: &str) -> bool {
    if is_uuid(text) || is_jwt(text) {
        return true;
    }
    !text.contains(char::is_whitespace)
        && text
            .split(['-', '_', '.', ':', '/', '+', '='])
            .any(is_random)
}

/// Returns whether one part of a text alternates between digits and letters as words do not.
fn is_random(part: &str) -> bool {
    let kind = |c: char| (c.is_ascii_digit(), c.is_ascii_uppercase());
    let kinds: Vec<_> = part.chars().map(kind).collect();
    let changes = kinds.windows(2).filter(|pair| pair[0].0 != pair[1].0);
    let changes = changes.count();
    let digits = kinds.iter().filter(|kind| kind.0).count();
    (part.len() >= 6 && changes >= 3) || (part.len() >= 12 && digits >= 2 && changes >= 2)
}

/// Returns whether the same value in two places is no coincidence.
pub(crate) fn is_distinctive(text: &str) -> bool {
    is_opaque(text) || (is_number(text) && text.len() >= 6) || text.len() >= 20
}

/// Returns whether a client made up the value, as for an idempotency key: a UUID, a random text, a time in milliseconds.
pub(crate) fn is_made_up(text: &str) -> bool {
    is_opaque(text) || (is_number(text) && text.len() >= 12)
}

/// Returns a name for a variable, a column or a step: words in lower case with `_` between them.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::new();
    let mut follows_small = false;
    for character in name.chars() {
        if character.is_uppercase() && follows_small {
            out.push('_');
        }
        if character.is_ascii_alphanumeric() {
            out.push(character.to_ascii_lowercase());
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
        follows_small = character.is_lowercase() || character.is_ascii_digit();
    }
    let out = out.trim_end_matches('_');
    if out.is_empty() {
        "value".to_owned()
    } else {
        out.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_singular_words() {
        assert_eq!(words("seatIds"), ["seat", "id"]);
        assert_eq!(words("X-Queue-Token"), ["x", "queue", "token"]);
        assert_eq!(words("/waiting-room/status"), ["waiting", "room", "status"]);
        assert_eq!(snake("pollAfterMs"), "poll_after_ms");
        assert_eq!(snake("x-csrf-token"), "x_csrf_token");
    }

    #[test]
    fn generated_ids_differ_from_words() {
        for id in [
            "6b1f0c9e-9d4b-4f5e-8a53-0d1d0e0a1b2c",
            "rv_1a2b3c",
            "clh3k9z2x0000qw8",
            "eyJhbGci.eyJzdWIi.c2ln",
        ] {
            assert!(is_opaque(id), "{id}");
        }
        for word in [
            "show-of-the-year-2026",
            "tier-standing",
            "oauth2",
            "v1",
            "kakao_pay",
            "seats",
        ] {
            assert!(!is_opaque(word), "{word}");
        }
        assert!(is_made_up("1764245573123") && !is_made_up("2026"));
    }
}
