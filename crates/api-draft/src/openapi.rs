//! OpenAPI 3 documents, in JSON or YAML. References lead only within the document.

mod compare;
mod operation;
mod sample;
mod schema;

use serde_json::Value;
use tiketi_api::{Problem, Tree};

use crate::traffic::Traffic;
use crate::value::snake;

/// Most references in a row. A longer chain leads in a circle.
const HOPS_MAX: usize = 32;

/// An OpenAPI document.
#[derive(Clone, Debug)]
pub struct Document {
    root: Value,
}

/// Why a file is no document that can be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is neither JSON nor YAML.
    #[error("neither JSON nor YAML: {reason} (expected an OpenAPI 3 document)")]
    Syntax {
        /// What is wrong, and where.
        reason: String,
    },
    /// It is a document of the version before OpenAPI.
    #[error("`swagger` is {version}: a Swagger 2 document (expected `openapi` 3.0 or 3.1)")]
    Swagger {
        /// The version.
        version: String,
    },
    /// It has no version, or an unknown one.
    #[error("`openapi` is {found} (expected 3.0 or 3.1)")]
    Version {
        /// What it says.
        found: String,
    },
    /// It has no paths.
    #[error("`paths` is missing or empty (expected the paths of an API)")]
    NoPaths,
    /// A reference leads to another file or host.
    #[error(
        "`{at}` refers to `{reference}`, outside of the document (expected a reference that begins with `#/`)"
    )]
    Remote {
        /// Where the reference is, as a JSON pointer.
        at: String,
        /// Where it leads.
        reference: String,
    },
    /// A reference leads nowhere.
    #[error(
        "`{at}` refers to `{reference}`, which is not there (expected a JSON pointer into the document)"
    )]
    Broken {
        /// Where the reference is, as a JSON pointer.
        at: String,
        /// Where it leads.
        reference: String,
    },
}

impl DocumentError {
    /// Returns what to do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "check the file with an editor for JSON or YAML",
            Self::Swagger { .. } => "convert it to OpenAPI 3 first, such as with swagger2openapi",
            Self::Version { .. } | Self::NoPaths => "name the OpenAPI document of the back end",
            Self::Remote { .. } => {
                "put everything into one file first, such as with `redocly bundle`: nothing is fetched"
            }
            Self::Broken { .. } => "add what it refers to, or correct the reference",
        }
    }
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// If it is no OpenAPI 3 document, or has references that lead outside or nowhere.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let text = text.trim_start_matches('\u{feff}');
        let syntax = |reason: String| DocumentError::Syntax {
            reason: reason.lines().next().unwrap_or_default().to_owned(),
        };
        let root: Value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| syntax(error.to_string()))?
        } else {
            serde_saphyr::from_str(text).map_err(|error| syntax(error.to_string()))?
        };
        let version = |key: &str| {
            root.get(key)
                .map(|value| value.to_string().replace('"', ""))
        };
        if let Some(version) = version("swagger") {
            return Err(DocumentError::Swagger { version });
        }
        match version("openapi") {
            Some(found) if found.starts_with("3.") || found == "3" => {}
            found => {
                let found = found.unwrap_or_else(|| "missing".to_owned());
                return Err(DocumentError::Version { found });
            }
        }
        let has_paths = root
            .get("paths")
            .and_then(Value::as_object)
            .is_some_and(|paths| !paths.is_empty());
        if !has_paths {
            return Err(DocumentError::NoPaths);
        }
        let document = Self { root };
        document.check_references(&document.root, &mut String::new())?;
        Ok(document)
    }

    /// Compares a mapping with the document, and returns everything that does not agree, in the order of its text.
    pub fn compare(&self, mapping: &Tree) -> Vec<Problem> {
        compare::compare(self, mapping)
    }

    /// Returns a name for a mapping of this back end.
    pub fn name(&self) -> Option<String> {
        let title = self.root.pointer("/info/title")?.as_str()?;
        Some(snake(title).replace('_', "-"))
    }

    pub(crate) fn traffic(&self) -> Traffic {
        sample::traffic(self)
    }

    /// Follows references.
    fn resolved<'d>(&'d self, value: &'d Value) -> &'d Value {
        let mut value = value;
        for _ in 0..HOPS_MAX {
            match value.get("$ref").and_then(Value::as_str) {
                Some(reference) => value = self.target(reference).unwrap_or(&Value::Null),
                None => return value,
            }
        }
        &Value::Null
    }

    fn target(&self, reference: &str) -> Option<&Value> {
        let pointer = reference.strip_prefix('#')?;
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
        self.root.pointer(&pointer)
    }

    fn check_references(&self, value: &Value, at: &mut String) -> Result<(), DocumentError> {
        /// What is below is data, and no part of the document.
        const DATA: [&str; 5] = ["example", "examples", "default", "enum", "const"];
        let length = at.len();
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    at.push('/');
                    at.push_str(&crate::traffic::escaped(key));
                    match value {
                        Value::String(reference) if key == "$ref" => {
                            let (at, reference) = (at.clone(), reference.clone());
                            if !reference.starts_with('#') {
                                return Err(DocumentError::Remote { at, reference });
                            }
                            if self.target(&reference).is_none() {
                                return Err(DocumentError::Broken { at, reference });
                            }
                        }
                        // A property may have such a name.
                        _ if DATA.contains(&key.as_str())
                            && !at[..length].ends_with("/properties") => {}
                        _ => self.check_references(value, at)?,
                    }
                    at.truncate(length);
                }
            }
            Value::Array(all) => {
                for (place, value) in all.iter().enumerate() {
                    at.push('/');
                    at.push_str(&place.to_string());
                    self.check_references(value, at)?;
                    at.truncate(length);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }
}
