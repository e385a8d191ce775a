//! Small helpers for sentences.

/// A fragment with a capital letter and a period.
pub(crate) fn sentence(fragment: &str) -> String {
    format!("{}.", capitalized(fragment))
}

/// A fragment with a capital letter; code keeps its spelling.
pub(crate) fn capitalized(fragment: &str) -> String {
    let mut characters = fragment.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// Names as a sentence lists them: `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}
