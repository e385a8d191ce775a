//! Lists of things in responses: where they are, what names each element, and what says whether it is free.

use serde_json::{Map, Value};

use crate::traffic::{escaped, unescaped};
use crate::value::{is_identifying, words};

/// Names of values that say whether an element can be bought.
const STATE: [&str; 12] = [
    "status",
    "state",
    "st",
    "available",
    "availability",
    "reserved",
    "sold",
    "locked",
    "held",
    "free",
    "taken",
    "open",
];

/// Most different values of something that is a state, and not a text.
const STATES_MAX: usize = 8;

/// A list in a response.
#[derive(Debug)]
pub(crate) struct List<'v> {
    /// Where its elements are, as a pointer that ends with `*`.
    pub(crate) each: String,
    pub(crate) elements: Vec<&'v Map<String, Value>>,
    /// The key of an element's id.
    pub(crate) id: String,
}

/// Finds the list of elements that are named by one of `words`, or else the longest one. The elements are objects with an id.
pub(crate) fn find<'v>(answer: &'v Value, about: &[&str]) -> Option<List<'v>> {
    let mut lists = Vec::new();
    collect(answer, "", &mut lists);
    let named = |list: &List<'_>| {
        let key = list.each.rsplit('/').find(|segment| *segment != "*");
        let key = words(key.unwrap_or_default());
        key.iter().any(|word| about.contains(&word.as_str()))
    };
    // Of several that are as good, the outermost one.
    lists
        .into_iter()
        .rev()
        .max_by_key(|list| (named(list), list.elements.len()))
}

fn collect<'v>(value: &'v Value, pointer: &str, lists: &mut Vec<List<'v>>) {
    match value {
        Value::Array(all) => {
            let each = format!("{pointer}/*");
            let elements: Vec<_> = all.iter().filter_map(Value::as_object).collect();
            if let Some(id) = elements.first().and_then(|first| id_key(first))
                && elements.len() == all.len()
            {
                match lists.iter_mut().find(|list| list.each == each) {
                    Some(known) => known.elements.extend(elements),
                    None => lists.push(List {
                        each: each.clone(),
                        elements,
                        id,
                    }),
                }
            }
            for value in all {
                collect(value, &each, lists);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                collect(value, &format!("{pointer}/{}", escaped(key)), lists);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The key of an object's id: `id`, or one that ends like it, or one of the other names that identify something.
fn id_key(object: &Map<String, Value>) -> Option<String> {
    let is_single = |key: &&String| {
        let value = &object[key.as_str()];
        value.is_string() || value.is_number()
    };
    let keys = || object.keys().filter(is_single);
    let found = keys()
        .find(|key| ["id", "_id"].contains(&key.as_str()))
        .or_else(|| keys().find(|key| words(key).last().is_some_and(|word| word == "id")))
        .or_else(|| keys().find(|key| is_identifying(key)));
    found.cloned()
}

/// What says whether an element is free: its key, the values there are, and that of the element with this id, if it is known.
#[derive(Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) key: String,
    pub(crate) values: Vec<Value>,
    pub(crate) of_picked: Option<Value>,
}

/// Finds what says whether elements are free. `picked` is the id of one that was bought.
pub(crate) fn state_key(list: &List<'_>, picked: Option<&str>) -> Option<State> {
    let first = list.elements.first()?;
    let rank = |key: &str| {
        let words = words(key);
        STATE
            .iter()
            .position(|state| words.iter().any(|word| word == state))
    };
    let is_state = |value: &Value| value.is_string() || value.is_boolean();
    let keys = first.iter().filter(|(_, value)| is_state(value));
    let keys = keys.filter_map(|(key, _)| Some((rank(key)?, key)));
    let mut keys: Vec<_> = keys.collect();
    keys.sort();
    for (_, key) in keys {
        let mut values: Vec<Value> = Vec::new();
        for element in &list.elements {
            if let Some(value) = element.get(key)
                && !values.contains(value)
            {
                values.push(value.clone());
            }
        }
        if values.len() > STATES_MAX {
            continue;
        }
        let id = |element: &&&Map<String, Value>| {
            let id = element.get(&list.id).and_then(crate::traffic::text_of);
            id.is_some() && id.as_deref() == picked
        };
        let of_picked = list.elements.iter().find(id);
        return Some(State {
            key: key.clone(),
            values,
            of_picked: of_picked.and_then(|element| element.get(key).cloned()),
        });
    }
    None
}

/// Returns the part of a pointer within the elements of the list; `None` if it leads elsewhere.
pub(crate) fn within<'p>(each: &str, pointer: &'p str) -> Option<&'p str> {
    pointer
        .strip_prefix(each)
        .filter(|rest| rest.starts_with('/'))
}

/// Returns the value at a pointer with `*`, the first if there are several.
pub(crate) fn at<'v>(value: &'v Value, pointer: &str) -> Option<&'v Value> {
    let Some(rest) = pointer.strip_prefix('/') else {
        return pointer.is_empty().then_some(value);
    };
    let (first, rest) = match rest.split_once('/') {
        Some((first, _)) => (first, &rest[first.len()..]),
        None => (rest, ""),
    };
    match value {
        Value::Array(all) if first == "*" => all.iter().find_map(|one| at(one, rest)),
        Value::Object(map) if first == "*" => map.values().find_map(|one| at(one, rest)),
        Value::Array(all) => at(all.get(first.parse::<usize>().ok()?)?, rest),
        Value::Object(map) => at(map.get(&unescaped(first))?, rest),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_list_with_the_right_name_is_found_even_within_another() {
        let answer = json!({"blocks": [
            {"id": "A", "seats": [{"no": 1, "st": "A"}, {"no": 2, "st": "S"}]},
            {"id": "B", "seats": [{"no": 3, "st": "A"}]},
        ]});
        let seats = find(&answer, &["seat"]).unwrap();
        assert_eq!(
            (seats.each.as_str(), seats.elements.len()),
            ("/blocks/*/seats/*", 3)
        );
        assert_eq!(seats.id, "no");
        let state = state_key(&seats, Some("3")).unwrap();
        assert_eq!(state.key, "st");
        assert_eq!(state.values, [json!("A"), json!("S")]);
        assert_eq!(state.of_picked, Some(json!("A")));
        assert_eq!(at(&answer, "/blocks/*/seats/*/no"), Some(&json!(1)));
        assert_eq!(at(&answer, "/blocks/1/id"), Some(&json!("B")));
    }

    #[test]
    fn a_list_at_the_top_has_no_name() {
        let answer = json!([{"id": 1}, {"id": 2}]);
        assert_eq!(find(&answer, &["show"]).unwrap().each, "/*");
        assert!(find(&json!({"a": [1, 2]}), &["show"]).is_none());
    }
}
