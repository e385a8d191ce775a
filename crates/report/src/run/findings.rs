//! What is wrong with a target, in paragraphs: at the top of the report.

use tiketi_verdict::defect::{Defect, Severity};

use crate::page::{Prose, Section, Tone};

/// One paragraph for each finding, the worst first; `None` without any.
pub(super) fn section(defects: &[Defect]) -> Option<Section> {
    if defects.is_empty() {
        return None;
    }
    let numbered = defects.iter().zip(1..);
    Some(
        numbered.fold(Section::new("Findings"), |section, (defect, number)| {
            section.with(paragraph(defect, number))
        }),
    )
}

fn paragraph(defect: &Defect, number: usize) -> Prose {
    let Defect {
        title,
        facts,
        looks_like,
        repeat,
        ..
    } = defect;
    let repeat = repeat
        .as_ref()
        .map(|command| format!("Repeat it: `{command}`"));
    let parts = [title.clone(), facts.clone(), looks_like.clone()];
    let parts = parts
        .into_iter()
        .chain(repeat)
        .filter(|part| !part.is_empty());
    let text = parts.collect::<Vec<_>>().join(" ");
    Prose {
        text: format!("{number}. {text}"),
        tone: match defect.severity {
            Severity::Sold | Severity::Stopped => Tone::Warning,
            Severity::Queue | Severity::Failed | Severity::Note => Tone::Normal,
        },
    }
}
