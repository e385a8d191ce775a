//! Writes a drafted mapping as TOML. Lines that begin with `# ?` are open questions.

use std::fmt::Write as _;

use tiketi_core::shown::on_one_line;

use crate::draft::{Parts, Step, table, text};

/// The beginning of a line with an open question.
pub(crate) const QUESTION: &str = "# ? ";

/// Longest line that is not broken into several.
const WIDTH: usize = 120;

/// Writes the mapping.
pub(crate) fn write(parts: &Parts) -> String {
    let mut out = String::new();
    for line in &parts.head {
        comment(&mut out, "# ", line);
    }
    for question in &parts.questions {
        comment(&mut out, QUESTION, question);
    }
    line(&mut out, "");
    key(&mut out, "name", &text(&parts.name).to_inline());
    if !parts.base.is_empty() {
        key(&mut out, "base", &text(&parts.base).to_inline());
    }
    if parts.pushes_tiketi {
        key(&mut out, "push", "\"socket.io\"");
    }
    if !parts.headers.is_empty() {
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), text(value)));
        key(&mut out, "headers", &table(headers).to_inline());
    }
    if let Some(user) = &parts.user_claim {
        line(&mut out, "");
        comment(
            &mut out,
            "# ",
            "What a generated token claims, and where a given one names its user.",
        );
        line(&mut out, "[tokens]");
        let claims = parts
            .claims
            .iter()
            .map(|(name, value)| (name.clone(), text(value)));
        key(&mut out, "claims", &table(claims).to_inline());
        key(&mut out, "user", &text(user).to_inline());
    }
    for step in &parts.steps {
        line(&mut out, "");
        write_step(&mut out, step);
        if let Some(poll) = &step.poll {
            line(&mut out, "");
            write_step(&mut out, poll);
        }
    }
    out
}

fn write_step(out: &mut String, step: &Step) {
    for note in &step.notes {
        comment(out, "# ", note);
    }
    for question in &step.questions {
        comment(out, QUESTION, question);
    }
    line(out, &format!("[{}]", step.table));
    key(out, "call", &text(&step.call).to_inline());
    let tables = [("query", &step.query), ("headers", &step.headers)];
    for (name, entries) in tables {
        if !entries.is_empty() {
            key(out, name, &table(entries.iter().cloned()).to_inline());
        }
    }
    if let Some(body) = &step.body {
        key(out, "body", &body.to_inline());
    }
    if let Some(each) = &step.each {
        key(out, "each", &text(each).to_inline());
    }
    let tables = [
        ("keep", &step.keep),
        ("prefer", &step.prefer),
        ("free", &step.free),
        ("held", &step.held),
    ];
    for (name, entries) in tables {
        if !entries.is_empty() {
            key(out, name, &table(entries.iter().cloned()).to_inline());
        }
    }
    if let Some(after) = &step.poll_after {
        key(out, "poll_after", &after.to_inline());
    }
    if !step.rows.is_empty() {
        line(out, "means = [");
        for row in &step.rows {
            line(out, &format!("    {},", row.to_inline()));
        }
        line(out, "]");
    }
}

fn key(out: &mut String, name: &str, value: &str) {
    line(out, &format!("{name} = {value}"));
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string takes everything");
}

/// Writes a comment, broken between words. What is quoted in it may contain anything, and must not end it.
fn comment(out: &mut String, mark: &str, said: &str) {
    let said = on_one_line(said);
    let indent = said.len() - said.trim_start().len();
    let mut written = format!("{mark}{}", &said[..indent]);
    let mut is_empty = true;
    for word in said.split_whitespace() {
        if !is_empty && written.chars().count() + 1 + word.chars().count() > WIDTH {
            line(out, written.trim_end());
            written = format!("#{}", " ".repeat(mark.len() - 1 + indent));
            is_empty = true;
        }
        if !is_empty {
            written.push(' ');
        }
        written.push_str(word);
        is_empty = false;
    }
    line(out, written.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_broken_and_stay_comments() {
        let mut out = String::new();
        comment(
            &mut out,
            QUESTION,
            &format!("a\nb = 1\r{}", " word".repeat(40)),
        );
        assert!(
            out.lines().count() > 1 && out.lines().all(|line| line.starts_with('#')),
            "{out}"
        );
        assert!(out.lines().all(|line| line.len() <= WIDTH), "{out}");
    }
}
