//! Reports: what a command found, as a page for people and as files for programs.
//!
//! A report is built once and rendered many times. Each kind of report ([`run`], [`plan`], [`agreement`], [`cost_study`],
//! [`policies`]) turns its findings into a [`page::Page`], which consists of blocks of data. [`html`], [`markdown`] and
//! [`text`] turn any page into their format. JSON and CSV are made from the findings themselves.
//!
//! All functions are pure: they return text, and the command line writes it.

pub mod agreement;
mod bill;
pub mod chart;
pub mod cost_study;
mod csv;
pub mod html;
pub mod markdown;
pub mod number;
mod outside;
pub mod page;
pub mod plan;
pub mod policies;
pub mod run;
pub mod targets;
#[cfg(test)]
mod testing;
pub mod text;
mod wording;

use std::fmt::Write as _;

use tiketi_core::shown::is_control;

/// Renders findings as indented JSON. Characters that control a terminal are escaped: the serializer escapes only those that
/// JSON requires.
pub fn json(findings: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(findings)
        .expect("findings have text keys and writable numbers");
    let mut shown = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        // Outside of texts, JSON has no other control characters than line breaks.
        if is_control(character) && character != '\n' {
            write!(shown, "\\u{:04x}", u32::from(character))
                .expect("writing to a String cannot fail");
        } else {
            shown.push(character);
        }
    }
    shown.push('\n');
    shown
}
