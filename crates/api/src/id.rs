//! Ids of other systems: UUIDs, numbers and any other texts, as keys of 16 bytes.
//!
//! A buyer remembers a few ids and compares them with those of messages. A key is the UUID itself where the id is one, holds
//! a short id within itself, and is a hash of a longer one, whose text is then kept beside. The same id has the same key in
//! every process.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest id that fits into a key.
const INSIDE_MAX: usize = 12;

/// The first two bytes of a key that is not a UUID of the back end.
const MARK: [u8; 2] = [0x7e, 0x1d];

/// An id as it was written, and whether as a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdText<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// Whether it was a number in JSON, and is sent as one.
    pub is_number: bool,
}

impl From<Uuid> for IdText<'static> {
    fn from(id: Uuid) -> Self {
        Self {
            text: hyphenated(id).into(),
            is_number: false,
        }
    }
}

impl IdText<'_> {
    /// Returns the same id with a text of its own.
    pub fn into_owned(self) -> IdText<'static> {
        IdText {
            text: self.text.into_owned().into(),
            is_number: self.is_number,
        }
    }
}

/// The texts of ids that do not fit into their keys.
#[derive(Debug, Default)]
pub struct Ids {
    long: RefCell<BTreeMap<Uuid, Box<str>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text = 0,
    Number = 1,
    LongText = 2,
    LongNumber = 3,
}

impl Ids {
    /// Returns the key of an id, which can be turned back into the id.
    pub fn intern(&self, id: &IdText<'_>) -> Uuid {
        let key = key_of(id);
        if matches!(kind_of(key), Some(Kind::LongText | Kind::LongNumber)) {
            let mut long = self.long.borrow_mut();
            long.entry(key).or_insert_with(|| id.text.as_ref().into());
        }
        key
    }

    /// Returns whether the id of a key is known. That of a UUID or a short id always is.
    pub fn knows(&self, key: Uuid) -> bool {
        match kind_of(key) {
            None | Some(Kind::Text | Kind::Number) => true,
            Some(Kind::LongText | Kind::LongNumber) => self.long.borrow().contains_key(&key),
        }
    }

    /// Returns the id of a key. A hashed key that was never interned has the form of a UUID.
    pub fn text(&self, key: Uuid) -> IdText<'static> {
        let bytes = key.as_bytes();
        let (text, is_number) = match kind_of(key) {
            None => (hyphenated(key), false),
            Some(kind @ (Kind::Text | Kind::Number)) => {
                let inside = [&bytes[2..6], &bytes[7..8], &bytes[9..16]].concat();
                let length = usize::from(bytes[8] & 0x3f).min(INSIDE_MAX);
                let text = String::from_utf8_lossy(&inside[..length]).into_owned();
                (text, kind == Kind::Number)
            }
            Some(kind @ (Kind::LongText | Kind::LongNumber)) => {
                let text = self.long.borrow().get(&key).map(ToString::to_string);
                let text = text.unwrap_or_else(|| key.to_string());
                (text, kind == Kind::LongNumber)
            }
        };
        IdText {
            text: text.into(),
            is_number,
        }
    }
}

/// Writes a UUID, without the cost of formatting: each request has a few.
fn hyphenated(id: Uuid) -> String {
    let mut text = Uuid::encode_buffer();
    id.hyphenated().encode_lower(&mut text).to_owned()
}

/// Returns the key of an id.
pub fn key_of(id: &IdText<'_>) -> Uuid {
    let text = id.text.as_ref();
    if !id.is_number
        && let Some(uuid) = canonical(text)
    {
        return uuid;
    }
    let mut inside = [0; INSIDE_MAX];
    let (kind, length) = if text.len() <= INSIDE_MAX {
        inside[..text.len()].copy_from_slice(text.as_bytes());
        let kind = if id.is_number {
            Kind::Number
        } else {
            Kind::Text
        };
        (kind, u8::try_from(text.len()).expect("at most twelve"))
    } else {
        inside.copy_from_slice(&hash(text.as_bytes()));
        let kind = if id.is_number {
            Kind::LongNumber
        } else {
            Kind::LongText
        };
        (kind, 0)
    };
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&MARK);
    bytes[2..6].copy_from_slice(&inside[..4]);
    bytes[6] = 0x80 | kind as u8; // A UUID of version 8, which is free to use.
    bytes[7] = inside[4];
    bytes[8] = 0x80 | length;
    bytes[9..].copy_from_slice(&inside[5..]);
    Uuid::from_bytes(bytes)
}

fn kind_of(key: Uuid) -> Option<Kind> {
    let bytes = key.as_bytes();
    if bytes[..2] != MARK || bytes[8] & 0xc0 != 0x80 {
        return None;
    }
    match bytes[6] {
        0x80 => Some(Kind::Text),
        0x81 => Some(Kind::Number),
        0x82 => Some(Kind::LongText),
        0x83 => Some(Kind::LongNumber),
        _ => None,
    }
}

/// Returns the UUID if the text is one in the form that it would be written in again.
fn canonical(text: &str) -> Option<Uuid> {
    let is_canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let uuid = is_canonical.then(|| text.parse().ok()).flatten()?;
    // A key of another id must not be taken for it.
    kind_of(uuid).is_none().then_some(uuid)
}

/// FNV-1a with 128 bits, folded to 96: not against attackers, but two ids of one sale will not meet.
fn hash(bytes: &[u8]) -> [u8; INSIDE_MAX] {
    let mut state: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in bytes {
        state ^= u128::from(*byte);
        state = state.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    let mut folded = [0; INSIDE_MAX];
    let all = state.to_be_bytes();
    folded.copy_from_slice(&all[4..]);
    for (place, byte) in all[..4].iter().enumerate() {
        folded[place] ^= byte;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str, is_number: bool) -> IdText<'_> {
        IdText {
            text: text.into(),
            is_number,
        }
    }

    #[test]
    fn every_id_comes_back_as_it_was_written() {
        let ids = Ids::default();
        for (text, is_number) in [
            ("7", true),
            ("7", false),
            ("", false),
            ("-12", true),
            ("18446744073709551615", true),
            ("seat-A-12", false),
            ("twelve chars", false),
            ("thirteen char", false),
            ("좌석 12-34 특별석", false),
            ("6f9619ff-8b86-d011-b42d-00c04fc964ff", false),
            ("6F9619FF-8B86-D011-B42D-00C04FC964FF", false),
            ("7e1d0000-0000-8000-8000-000000000000", false),
            ("6f9619ff8b86d011b42d00c04fc964ff", false),
        ] {
            let key = ids.intern(&id(text, is_number));
            assert_eq!(ids.text(key), id(text, is_number), "{key}");
            assert_eq!(key_of(&id(text, is_number)), key);
        }
    }

    #[test]
    fn a_number_and_a_text_with_its_digits_are_two_ids() {
        assert_ne!(key_of(&id("1", true)), key_of(&id("1", false)));
        assert_ne!(key_of(&id("1", true)), key_of(&id("10", true)));
    }

    #[test]
    fn a_uuid_is_its_own_key() {
        let uuid = Uuid::from_u128(1);
        assert_eq!(key_of(&id(&uuid.to_string(), false)), uuid);
    }

    #[test]
    fn long_ids_do_not_meet() {
        let keys: std::collections::BTreeSet<_> = (0..20_000)
            .map(|n| key_of(&id(&format!("reservation-number-{n}"), false)))
            .collect();
        assert_eq!(keys.len(), 20_000);
    }
}
