//! Drafts API mappings from browser recordings (HAR) and OpenAPI documents, and compares mappings with such documents.
//!
//! ```text
//! HAR ─────▶ Recording ─┐
//!                       ├─▶ Traffic ─▶ roles ─▶ links ─▶ compose ─▶ Draft: TOML with open questions
//! OpenAPI ─▶ Document ──┘
//!               └─────────▶ compare(mapping) ─▶ Problems
//! ```
//!
//! A draft always compiles. What nobody can know from the file is a placeholder, with a question in a comment. Secrets of a
//! recording are in no draft. Nothing here opens a file, a clock or a socket.

mod compose;
mod draft;
mod har;
mod link;
mod list;
mod meaning;
mod openapi;
mod origin;
mod role;
mod traffic;
mod value;
mod write;

use tiketi_api::RoleName;

pub use har::{Recording, RecordingError};
pub use openapi::{Document, DocumentError};

use traffic::Traffic;

/// A drafted mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The mapping, as TOML.
    pub toml: String,
    /// The roles that were recognized.
    pub roles: Vec<RoleName>,
    /// How many open questions the comments ask.
    pub questions: usize,
}

/// Drafts a mapping called `name` from a recording.
pub fn from_recording(recording: Recording, name: &str) -> Draft {
    draft(origin::of_recording(recording), name)
}

/// Drafts a mapping called `name` from an OpenAPI document.
pub fn from_document(document: &Document, name: &str) -> Draft {
    draft(document.traffic(), name)
}

fn draft(mut traffic: Traffic, name: &str) -> Draft {
    let roles = origin::choose(&mut traffic);
    let links = link::find(&traffic, &roles);
    let parts = compose::compose(&traffic, &roles, &links, name);
    let toml = write::write(&parts);
    Draft {
        questions: toml
            .lines()
            .filter(|line| line.starts_with(write::QUESTION))
            .count(),
        toml,
        roles: roles.into_keys().collect(),
    }
}
