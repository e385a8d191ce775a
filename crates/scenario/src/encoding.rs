//! Text files are UTF-8. Others are rejected with the name of their encoding.

use super::diagnostic::{Diagnostics, Problem};

/// Returns the bytes of the file `source_name` as text, without a byte-order mark, or reports how they are encoded.
pub fn decode(source_name: &str, bytes: &[u8]) -> Result<String, Diagnostics> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let rejected = |message: String, before: &[u8]| {
        // What comes before the place is text, so that line and column can be counted.
        let before = String::from_utf8_lossy(before);
        let problem = Problem::new(message)
            .expected("text in UTF-8")
            .help("save the file as UTF-8 in your editor, or convert it with `iconv -t UTF-8`")
            .at(before.len()..before.len());
        Diagnostics::new(source_name, &before, vec![problem])
    };
    if let Some(name) = wide_encoding(bytes) {
        return Err(rejected(format!("the file is encoded in {name}"), b""));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => match text.find('\0') {
            None => Ok(text.to_owned()),
            Some(at) => {
                let message = "the file has a NUL byte, so it is binary or damaged".to_owned();
                Err(rejected(message, &bytes[..at]))
            }
        },
        Err(error) => {
            let at = error.valid_up_to();
            let (byte, name) = (bytes[at], narrow_encoding(&bytes[at..]));
            let message = format!(
                "the byte 0x{byte:02X} is not UTF-8: the file seems to be encoded in {name}"
            );
            Err(rejected(message, &bytes[..at]))
        }
    }
}

/// The encoding with two or four bytes per character, by its byte-order mark or its NUL bytes; `None` if it has neither.
fn wide_encoding(bytes: &[u8]) -> Option<&'static str> {
    let marks: [(&[u8], &str); 4] = [
        (b"\xFF\xFE\0\0", "UTF-32 (little endian)"),
        (b"\0\0\xFE\xFF", "UTF-32 (big endian)"),
        (b"\xFF\xFE", "UTF-16 (little endian)"),
        (b"\xFE\xFF", "UTF-16 (big endian)"),
    ];
    if let Some((_, name)) = marks.into_iter().find(|(mark, _)| bytes.starts_with(mark)) {
        return Some(name);
    }
    // Scenarios begin with ASCII, which UTF-16 pads with NUL bytes.
    match bytes {
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => {
            Some("UTF-16 (little endian, without a byte-order mark)")
        }
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => {
            Some("UTF-16 (big endian, without a byte-order mark)")
        }
        _ => None,
    }
}

/// The likely encoding of text that is not UTF-8 from here on.
fn narrow_encoding(rest: &[u8]) -> &'static str {
    // In EUC-KR and CP949, characters beyond ASCII are two bytes, both beyond ASCII in all common ones.
    let mut high = 0;
    for part in rest.split(|byte| byte.is_ascii()) {
        if part.len() % 2 != 0 || part.iter().any(|byte| *byte < 0xA1) {
            return "Latin-1 or Windows-1252";
        }
        high += part.len();
    }
    if high >= 4 {
        "EUC-KR or CP949"
    } else {
        "Latin-1, Windows-1252 or EUC-KR"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(bytes: &[u8]) -> String {
        decode("a.toml", bytes)
            .expect_err("is not UTF-8")
            .to_string()
    }

    #[test]
    fn utf_8_is_text_with_or_without_a_mark() {
        assert_eq!(
            decode("a.toml", "name = \"표\"".as_bytes()).unwrap(),
            "name = \"표\""
        );
        assert_eq!(
            decode("a.toml", b"\xEF\xBB\xBFseed = 1").unwrap(),
            "seed = 1"
        );
        assert_eq!(decode("a.toml", b"").unwrap(), "");
    }

    #[test]
    fn other_encodings_are_named_with_their_place() {
        let utf_16: Vec<u8> = "seed = 1"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let marked = [b"\xFF\xFE".as_slice(), &utf_16].concat();
        assert!(
            rejection(&marked)
                .starts_with("a.toml:1:1: the file is encoded in UTF-16 (little endian)")
        );
        assert!(rejection(&utf_16).contains("UTF-16 (little endian, without"));
        let big: Vec<u8> = "seed = 1"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        assert!(rejection(&big).contains("UTF-16 (big endian, without"));
        assert!(rejection(b"\xFF\xFE\0\0s\0\0\0").contains("UTF-32"));
        let latin = rejection(b"seed = 1\n# Caf\xe9?\n");
        assert!(
            latin.starts_with("a.toml:2:6: the byte 0xE9 is not UTF-8"),
            "{latin}"
        );
        assert!(
            latin.contains("Latin-1 or Windows-1252 (expected text in UTF-8); help: "),
            "{latin}"
        );
        let korean = rejection(b"# \xC7\xD1\xB1\xDB?\n");
        assert!(korean.contains("EUC-KR or CP949"), "{korean}");
        let binary = rejection(b"seed = 1\nname = \"\0\"\n");
        assert!(
            binary.starts_with("a.toml:2:9: the file has a NUL byte"),
            "{binary}"
        );
    }
}
