//! What a run could not measure, in sentences.

use tiketi_verdict::gap::{Gap, Subject};

use crate::wording::sentence;

/// One sentence for the sale, and one for all gates and for all checks that were not measured for the same reason.
pub(super) fn sentences(gaps: &[Gap]) -> Vec<String> {
    let mut groups: Vec<(Kind, &str, Vec<String>)> = Vec::new();
    for gap in gaps {
        let (kind, name) = match &gap.subject {
            Subject::Sale | Subject::Queue => (Kind::Sale, String::new()),
            Subject::Gate { metric, condition } => (Kind::Gate, format!("`{metric}: {condition}`")),
            Subject::Audit { audit } => (Kind::Audit, audit.name().to_owned()),
        };
        let same = groups
            .iter_mut()
            .find(|(of, reason, _)| *of == kind && *reason == gap.reason);
        match same {
            Some((_, _, names)) => names.push(name),
            None => groups.push((kind, &gap.reason, vec![name])),
        }
    }
    let told = groups.into_iter().map(|(kind, reason, names)| {
        let plural = if names.len() == 1 { "" } else { "s" };
        let names = names.join(", ");
        match kind {
            Kind::Sale => sentence(reason),
            Kind::Gate => format!("Not measured: gate{plural} {names} ({reason})."),
            Kind::Audit => format!("Not checked: {names} ({reason})."),
        }
    });
    told.collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sale,
    Gate,
    Audit,
}
