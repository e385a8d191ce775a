//! What all requests of a mapping have in common, moved to its top.

use std::collections::BTreeMap;

use crate::draft::{Parts, Step};

/// Moves headers that most steps have to the top.
pub(super) fn share_headers(parts: &mut Parts) {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let steps = || {
        parts
            .steps
            .iter()
            .flat_map(|step| std::iter::once(step).chain(step.poll.as_deref()))
    };
    let total = steps().count();
    for (name, value) in steps().flat_map(|step| &step.headers) {
        *counts.entry((name.clone(), value.to_inline())).or_default() += 1;
    }
    let mut most: Vec<_> = counts.into_iter().collect();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for ((name, written), count) in most {
        let is_shared =
            count >= 2 && (count * 2 > total || name == "authorization" || name == "cookie");
        if !is_shared || parts.headers.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let mut value = None;
        let steps = parts.steps.iter_mut();
        for step in steps {
            let polls = step.poll.as_deref_mut().map(|poll| &mut poll.headers);
            for headers in std::iter::once(&mut step.headers).chain(polls) {
                headers.retain(|(one, template)| {
                    let is_it = *one == name && template.to_inline() == written;
                    if is_it {
                        value = template.text().map(str::to_owned);
                    }
                    !is_it
                });
            }
        }
        parts.headers.extend(value.map(|value| (name, value)));
    }
}

/// Moves what all paths begin with to the top.
pub(super) fn set_base(parts: &mut Parts) {
    let path = |step: &Step| {
        step.call
            .split_once(' ')
            .map_or_else(String::new, |(_, path)| path.to_owned())
    };
    let steps = || {
        parts
            .steps
            .iter()
            .flat_map(|step| std::iter::once(step).chain(step.poll.as_deref()))
    };
    let is_real = |path: &String| path != "/PAYMENT";
    let paths: Vec<_> = steps().map(path).filter(is_real).collect();
    let Some(first) = paths.first() else {
        return;
    };
    let mut base = String::new();
    let segments: Vec<_> = first.split('/').skip(1).collect();
    for segment in &segments[..segments.len().saturating_sub(1)] {
        let longer = format!("{base}/{segment}");
        let begins = |path: &String| {
            path.strip_prefix(&longer)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        if segment.contains('{') || paths.len() < 2 || !paths.iter().all(begins) {
            break;
        }
        base = longer;
    }
    for step in &mut parts.steps {
        let polls = step.poll.as_deref_mut().map(|poll| &mut poll.call);
        for call in std::iter::once(&mut step.call).chain(polls) {
            if let Some((method, path)) = call.split_once(' ')
                && let Some(rest) = path.strip_prefix(&base)
            {
                *call = format!("{method} {rest}");
            }
        }
    }
    parts.base = base;
}
