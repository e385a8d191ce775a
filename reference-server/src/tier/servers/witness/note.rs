//! Parses the notes that the scripts write.

use std::str::FromStr;

use uuid::Uuid;

/// The id of a note. Ids are ascending, and the first part is the time of the note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NoteId {
    /// Time of the primary in milliseconds since 1970.
    pub(super) at_ms: u64,
    sequence: u64,
}

impl FromStr for NoteId {
    type Err = NotANote;

    fn from_str(text: &str) -> Result<Self, NotANote> {
        let (at_ms, sequence) = text.split_once('-').ok_or(NotANote)?;
        Ok(Self {
            at_ms: number(at_ms)?,
            sequence: number(sequence)?,
        })
    }
}

impl std::fmt::Display for NoteId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.at_ms, self.sequence)
    }
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// A user joined and was admitted immediately.
    Entered {
        show: Uuid,
        user: Uuid,
    },
    Joined {
        show: Uuid,
        user: Uuid,
    },
    Admitted {
        show: Uuid,
        users: Vec<Uuid>,
    },
    Expired {
        show: Uuid,
        users: Vec<Uuid>,
    },
    LeftWaiting {
        show: Uuid,
        user: Uuid,
    },
    LeftActive {
        show: Uuid,
        user: Uuid,
    },
    Cleared {
        show: Uuid,
        waiting: u64,
    },
    /// A session was created. It expires at this time, in milliseconds since 1970, unless it is renewed.
    Session {
        user: Uuid,
        expires_ms: u64,
    },
}

/// Text that is not a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a note")]
pub(super) struct NotANote;

impl FromStr for Note {
    type Err = NotANote;

    fn from_str(text: &str) -> Result<Self, NotANote> {
        let words: Vec<&str> = text.split(' ').collect();
        let (kind, first, rest) = match &words[..] {
            [kind, first, rest @ ..] if !rest.is_empty() => (*kind, id(first)?, rest),
            _ => return Err(NotANote),
        };
        let show = first;
        let users =
            || -> Result<Vec<Uuid>, NotANote> { rest.iter().map(|word| id(word)).collect() };
        let last = rest[0];
        Ok(match kind {
            "entered" => Self::Entered {
                show,
                user: id(last)?,
            },
            "joined" => Self::Joined {
                show,
                user: id(last)?,
            },
            "admitted" => Self::Admitted {
                show,
                users: users()?,
            },
            "expired" => Self::Expired {
                show,
                users: users()?,
            },
            "left-waiting" => Self::LeftWaiting {
                show,
                user: id(last)?,
            },
            "left-active" => Self::LeftActive {
                show,
                user: id(last)?,
            },
            "cleared" => Self::Cleared {
                show,
                waiting: number(last)?,
            },
            "session" => Self::Session {
                user: first,
                expires_ms: number(last)?,
            },
            _ => return Err(NotANote),
        })
    }
}

fn id(word: &str) -> Result<Uuid, NotANote> {
    Uuid::parse_str(word).map_err(|_| NotANote)
}

fn number(word: &str) -> Result<u64, NotANote> {
    word.parse().map_err(|_| NotANote)
}
