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
pub mod html;
pub mod markdown;
pub mod number;
pub mod page;
pub mod plan;
pub mod policies;
pub mod run;
#[cfg(test)]
mod testing;
pub mod text;
mod wording;

/// Renders findings as indented JSON.
pub fn json(findings: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(findings)
        .expect("findings have text keys and writable numbers");
    text.push('\n');
    text
}
