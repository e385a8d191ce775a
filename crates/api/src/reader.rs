//! Reads the values that a mapping asks for, in one pass over a response and without building a document.
//!
//! All pointers of a role become one tree of keys. What no pointer leads to is skipped.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::scalar::Scalar;

/// Most pointers of one role, and of one element of its list.
pub(crate) const SLOTS_MAX: usize = 16;

/// The values that the pointers of a role lead to.
pub(crate) type Slots<'b> = [Scalar<'b>; SLOTS_MAX];

/// The pointers of one role.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pointers {
    root: Place,
    element: Option<Place>,
    pointers: Vec<String>,
    of_element: Vec<String>,
}

/// A place of a document that pointers lead to or through.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Where the value goes.
    slots: Vec<u8>,
    children: Vec<(Box<str>, Self)>,
    /// All other elements or members, for `*`.
    any: Option<Box<Self>>,
    is_element: bool,
}

/// A JSON pointer (RFC 6901), in which `*` stands for each element of a list or each member of an object.
pub(crate) fn segments(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let inner = pointer.strip_prefix('/')?;
    let unescape = |segment: &str| segment.replace("~1", "/").replace("~0", "~");
    Some(inner.split('/').map(unescape).collect())
}

impl Pointers {
    /// Adds a pointer into the response, and returns its slot; `None` if there are too many, or it is not a pointer.
    pub(crate) fn add(&mut self, pointer: &str) -> Option<u8> {
        add(&mut self.root, &mut self.pointers, pointer)
    }

    /// Adds a pointer into each element of the list.
    pub(crate) fn add_of_element(&mut self, pointer: &str) -> Option<u8> {
        let element = self.element.get_or_insert_default();
        add(element, &mut self.of_element, pointer)
    }

    /// Sets where the elements of the list are.
    pub(crate) fn set_elements(&mut self, pointer: &str) -> bool {
        let Some(path) = segments(pointer) else {
            return false;
        };
        self.element.get_or_insert_default();
        self.root.insert(&path, &|place| place.is_element = true);
        true
    }

    /// Returns whether nothing of the body is needed besides the elements of a list.
    pub(crate) const fn is_empty(&self) -> bool {
        self.pointers.is_empty()
    }

    /// Reads a body: the values go to `slots`, and each element of the list to `each`. Returns whether it is JSON.
    pub(crate) fn read<'b>(
        &self,
        body: &'b [u8],
        slots: &mut Slots<'b>,
        each: &mut dyn FnMut(&Slots<'b>),
    ) -> bool {
        let mut json = serde_json::Deserializer::from_slice(body);
        let mut of_element = Slots::default();
        let walk = Walk {
            place: &self.root,
            slots,
            elements: self.element.as_ref().map(|place| Elements {
                place,
                slots: &mut of_element,
                used: self.of_element.len(),
                each,
            }),
        };
        walk.deserialize(&mut json).is_ok() && json.end().is_ok()
    }
}

fn add(root: &mut Place, known: &mut Vec<String>, pointer: &str) -> Option<u8> {
    let path = segments(pointer)?;
    if let Some(place) = known.iter().position(|one| one == pointer) {
        return u8::try_from(place).ok();
    }
    if known.len() == SLOTS_MAX {
        return None;
    }
    let slot = u8::try_from(known.len()).ok()?;
    known.push(pointer.to_owned());
    root.insert(&path, &|place| place.slots.push(slot));
    Some(slot)
}

impl Place {
    /// Marks every place that the path leads to. What leads through `*` also leads through the keys that are named.
    fn insert(&mut self, path: &[String], mark: &impl Fn(&mut Self)) {
        let Some((first, rest)) = path.split_first() else {
            return mark(self);
        };
        if first == "*" {
            for (_, child) in &mut self.children {
                child.insert(rest, mark);
            }
            return self.any.get_or_insert_default().insert(rest, mark);
        }
        let found = self
            .children
            .iter()
            .position(|(key, _)| key.as_ref() == first);
        let place = found.unwrap_or_else(|| {
            let child = self.any.as_deref().cloned().unwrap_or_default();
            self.children.push((first.as_str().into(), child));
            self.children.len() - 1
        });
        self.children[place].1.insert(rest, mark);
    }

    fn child(&self, key: &str) -> Option<&Self> {
        let named = self.children.iter().find(|(name, _)| name.as_ref() == key);
        named.map(|(_, child)| child).or(self.any.as_deref())
    }

    fn element(&self, number: usize) -> Option<&Self> {
        if self.children.is_empty() {
            return self.any.as_deref();
        }
        self.child(&number.to_string())
    }
}

/// Where elements of the list go.
struct Elements<'w, 'b> {
    place: &'w Place,
    /// The values of one element, empty between two of them.
    slots: &'w mut Slots<'b>,
    /// How many of them pointers lead to.
    used: usize,
    each: &'w mut dyn FnMut(&Slots<'b>),
}

/// Reads one value of the document.
struct Walk<'w, 'b> {
    place: &'w Place,
    slots: &'w mut Slots<'b>,
    elements: Option<Elements<'w, 'b>>,
}

impl<'b> Walk<'_, 'b> {
    /// Fills the slots of this place that are still empty: the first of several values counts.
    fn fill(&mut self, value: &Scalar<'b>) {
        for slot in &self.place.slots {
            let slot = &mut self.slots[usize::from(*slot)];
            if *slot == Scalar::Missing {
                *slot = value.clone();
            }
        }
    }

    fn single<E>(mut self, value: &Scalar<'b>) -> Result<(), E> {
        self.fill(value);
        Ok(())
    }

    fn reborrow<'s>(&'s mut self, place: &'s Place) -> Walk<'s, 'b> {
        Walk {
            place,
            slots: self.slots,
            elements: self.elements.as_mut().map(|elements| Elements {
                place: elements.place,
                slots: elements.slots,
                used: elements.used,
                each: elements.each,
            }),
        }
    }
}

impl<'b> DeserializeSeed<'b> for Walk<'_, 'b> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.place.is_element
            && let Some(elements) = self.elements
        {
            let walk = Walk {
                place: elements.place,
                slots: elements.slots,
                elements: None,
            };
            deserializer.deserialize_any(walk)?;
            (elements.each)(elements.slots);
            elements.slots[..elements.used].fill(Scalar::Missing);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Walk<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.single(&Scalar::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.single(&Scalar::Flag(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.single(&Scalar::Whole(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.single(&match u64::try_from(value) {
            Ok(whole) => Scalar::Whole(whole),
            Err(_) => Scalar::Negative(value),
        })
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.single(&Scalar::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        if self.place.slots.is_empty() {
            return Ok(());
        }
        self.single(&Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'b str) -> Result<(), E> {
        self.single(&Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_map<A: MapAccess<'b>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.fill(&Scalar::Composite);
        let place = self.place;
        while let Some(child) = map.next_key_seed(Child(place))? {
            match child {
                Some(child) => map.next_value_seed(self.reborrow(child))?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.fill(&Scalar::Composite);
        let place = self.place;
        for number in 0.. {
            let next = match place.element(number) {
                Some(child) => list.next_element_seed(self.reborrow(child))?,
                None => list.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Finds the place of a key without copying the key.
struct Child<'w>(&'w Place);

impl<'w, 'b> DeserializeSeed<'b> for Child<'w> {
    type Value = Option<&'w Place>;

    fn deserialize<D: serde::Deserializer<'b>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'w> Visitor<'_> for Child<'w> {
    type Value = Option<&'w Place>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.child(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'b>(pointers: &Pointers, body: &'b str) -> (bool, Slots<'b>, usize) {
        let mut slots = Slots::default();
        let mut count = 0;
        let is_json = pointers.read(body.as_bytes(), &mut slots, &mut |_| count += 1);
        (is_json, slots, count)
    }

    #[test]
    fn values_are_found_by_key_place_and_star() {
        let mut pointers = Pointers::default();
        for pointer in [
            "/a/b",
            "/list/1",
            "/list/*/x",
            "/list/2/x",
            "/q~1r",
            "",
            "/none",
        ] {
            pointers.add(pointer).unwrap();
        }
        let body =
            r#"{"q/r":-3,"list":[{"y":1},"two",{"x":null},{"x":"k\n"}],"a":{"b":[]},"z":{"a":1}}"#;
        let (is_json, slots, _) = read(&pointers, body);
        assert!(is_json);
        assert_eq!(slots[0], Scalar::Composite);
        assert_eq!(slots[1], Scalar::Text("two".into()));
        assert_eq!(slots[2], Scalar::Null, "the first that is there");
        assert_eq!(slots[3], Scalar::Null);
        assert_eq!(slots[4], Scalar::Negative(-3));
        assert_eq!(slots[5], Scalar::Composite);
        assert_eq!(slots[6], Scalar::Missing);
    }

    #[test]
    fn elements_of_nested_lists_are_read_one_by_one() {
        let mut pointers = Pointers::default();
        let total = pointers.add("/total").unwrap();
        assert!(pointers.set_elements("/blocks/*/seats/*"));
        let id = pointers.add_of_element("/id").unwrap();
        let body =
            r#"{"blocks":[{"seats":[{"id":1},{"id":"b"}]},{"seats":[{}]},{"seats":[]}],"total":3}"#;
        let mut found = Vec::new();
        let mut slots = Slots::default();
        assert!(pointers.read(body.as_bytes(), &mut slots, &mut |element| {
            found.push(element[usize::from(id)].clone());
        }));
        let text = Scalar::Text("b".into());
        assert_eq!(found, [Scalar::Whole(1), text, Scalar::Missing]);
        assert_eq!(slots[usize::from(total)], Scalar::Whole(3));
    }

    #[test]
    fn what_is_not_json_to_the_end_is_not_read() {
        let mut pointers = Pointers::default();
        pointers.add("/a").unwrap();
        let deep = "[".repeat(100_000);
        for body in ["", "<html>", "{\"a\":1", "{\"a\":1} x", deep.as_str()] {
            assert!(!read(&pointers, body).0, "{}", &body[..body.len().min(9)]);
        }
        assert!(read(&pointers, " 7 ").0);
    }

    #[test]
    fn a_role_has_room_for_sixteen_pointers() {
        let mut pointers = Pointers::default();
        for number in 0..SLOTS_MAX {
            assert!(pointers.add(&format!("/{number}")).is_some());
        }
        assert_eq!(pointers.add("/3"), Some(3), "one that is known");
        assert_eq!(pointers.add("/more"), None);
        assert_eq!(Pointers::default().add("more"), None);
    }
}
