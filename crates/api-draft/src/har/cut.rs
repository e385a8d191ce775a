//! Cuts long texts of a JSON file while it is read, so that one of them cannot fill the memory.

use std::io::{BufRead, Read, Result};

/// The bytes of a JSON file without what follows the first bytes of a long text.
#[derive(Debug)]
pub(super) struct Cut<R> {
    inner: R,
    bytes_max: usize,
    place: Place,
    is_begun: bool,
}

/// Where in the file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Outside of texts.
    Outside,
    /// In a text, of which so many bytes were read.
    Text(usize),
    /// After a backslash in a text.
    Escape(usize),
    /// In the rest of a text that is too long; after a backslash or not.
    Rest { is_escape: bool },
}

impl<R> Cut<R> {
    pub(super) const fn new(inner: R, bytes_max: usize) -> Self {
        Self {
            inner,
            bytes_max,
            place: Place::Outside,
            is_begun: false,
        }
    }

    /// Returns whether this byte stays.
    fn keeps(&mut self, byte: u8) -> bool {
        let (next, keeps) = match (self.place, byte) {
            (Place::Outside, b'"') => (Place::Text(0), true),
            (Place::Outside, _) => (Place::Outside, true),
            (Place::Text(_), b'"') => (Place::Outside, true),
            (Place::Rest { is_escape: false }, b'"') => (Place::Outside, true),
            // A text is cut only where no escape, no pair of escapes and no character of several bytes is split.
            (Place::Text(read), _) if read >= self.bytes_max && is_boundary(byte) => {
                (Place::Rest { is_escape: false }, false)
            }
            (Place::Text(read), b'\\') => (Place::Escape(read + 1), true),
            (Place::Text(read), _) => (Place::Text(read + 1), true),
            (Place::Escape(read), _) => (Place::Text(read + 1), true),
            (Place::Rest { is_escape: false }, b'\\') => (Place::Rest { is_escape: true }, false),
            (Place::Rest { .. }, _) => (Place::Rest { is_escape: false }, false),
        };
        self.place = next;
        keeps
    }
}

/// Whether a text can end before this byte: it is no part of a longer character, and no digit of an escape.
const fn is_boundary(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b';' | b'{' | b'[' | b'g'..=b'z' | b'G'..=b'Z')
}

impl<R: BufRead> Read for Cut<R> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        if !self.is_begun {
            self.is_begun = true;
            // Some tools write a byte order mark.
            if self.inner.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
                self.inner.consume("\u{feff}".len());
            }
        }
        loop {
            let available = self.inner.fill_buf()?;
            if available.is_empty() || out.is_empty() {
                return Ok(0);
            }
            let taken = available.len().min(out.len());
            out[..taken].copy_from_slice(&available[..taken]);
            self.inner.consume(taken);
            let mut kept = 0;
            for place in 0..taken {
                let byte = out[place];
                if self.keeps(byte) {
                    out[kept] = byte;
                    kept += 1;
                }
            }
            if kept > 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, bytes_max: usize) -> String {
        let mut out = String::new();
        Cut::new(text.as_bytes(), bytes_max)
            .read_to_string(&mut out)
            .unwrap();
        out
    }

    #[test]
    fn long_texts_are_cut_and_the_rest_stays() {
        assert_eq!(
            cut(r#"{"a": "12345", "b": [1]}"#, 5),
            r#"{"a": "12345", "b": [1]}"#
        );
        assert_eq!(
            cut(r#"{"a": "xyzxyz\"x", "b": 1}"#, 3),
            r#"{"a": "xyz", "b": 1}"#
        );
        assert_eq!(cut(r#"["\\", "z"]"#, 9), r#"["\\", "z"]"#);
    }

    #[test]
    fn what_is_cut_is_still_json() {
        let text = "표\u{1f3ab}\u{7}\"\\ab zz ".repeat(50);
        let escaped = serde_json::to_string(&serde_json::json!({"k": text, "l": 1})).unwrap();
        let surrogates = escaped.replace('\u{1f3ab}', "\\ud83c\\udfab");
        for whole in [escaped, surrogates] {
            for bytes_max in 1..80 {
                let shorter = cut(&whole, bytes_max);
                let json: serde_json::Value = serde_json::from_str(&shorter)
                    .unwrap_or_else(|error| panic!("{error} at {bytes_max}: {shorter}"));
                assert_eq!(json["l"], 1);
                assert!(shorter.len() < 200, "{shorter}");
            }
        }
    }
}
