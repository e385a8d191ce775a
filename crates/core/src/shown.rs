//! Text from outside, made safe to show: names in scenarios and price books, paths, and what servers answer.
//!
//! A terminal obeys escape sequences, and text that changes its direction can make a line read as something else. Each
//! renderer therefore passes text from outside through one of these functions, at one place.

use std::borrow::Cow;

/// Returns the text on one line: line breaks and tabs become spaces, other control characters a visible sign.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    replaced(text, |character| match character {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        other => sign(other),
    })
}

/// Returns the text with its line breaks and tabs; other control characters become a visible sign.
pub fn on_lines(text: &str) -> Cow<'_, str> {
    replaced(text, |character| match character {
        '\n' | '\t' => character,
        other => sign(other),
    })
}

/// Returns the text with its line breaks and tabs; other control characters become a sign that takes as many bytes, so that
/// positions in the text stay what they are.
pub fn in_place(text: &str) -> Cow<'_, str> {
    replaced(text, |character| match (character, character.len_utf8()) {
        ('\n' | '\r' | '\t', _) => character,
        (_, 1) => '?',
        (_, 2) => '¿',
        (_, _) => char::REPLACEMENT_CHARACTER,
    })
}

/// Returns whether a character controls how others are shown instead of being shown itself.
pub fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Line and paragraph separator; direction marks, embeddings and isolates.
            '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// The visible sign for a control character: its picture in Unicode if it has one.
fn sign(character: char) -> char {
    match character {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)),
        '\u{7f}' => Some('\u{2421}'),
        _ => None,
    }
    .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn replaced(text: &str, sign: impl Fn(char) -> char) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|character| {
        if is_control(character) {
            sign(character)
        } else {
            character
        }
    });
    Cow::Owned(shown.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A color, a cursor movement in its 8-bit form, a bell, a reversal of direction, and line breaks.
    const HOSTILE: &str = "a\u{1b}[31mb\u{9b}2Jc\u{7}\u{202e}d\r\n\te\u{2028}표";

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(on_one_line(HOSTILE), "a␛[31mb\u{fffd}2Jc␇\u{fffd}d   e 표");
        assert_eq!(
            on_lines(HOSTILE),
            "a␛[31mb\u{fffd}2Jc␇\u{fffd}d␍\n\te\u{fffd}표"
        );
    }

    #[test]
    fn positions_stay_the_same_in_place() {
        let shown = in_place(HOSTILE);
        assert_eq!(shown.len(), HOSTILE.len());
        assert_eq!(shown.find('표'), HOSTILE.find('표'));
        assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{7}', '\u{202e}']));
    }

    #[test]
    fn ordinary_text_is_not_copied() {
        assert!(matches!(
            on_one_line("좌석 A-1 — ₩110,000"),
            Cow::Borrowed(_)
        ));
    }
}
