//! The choice of one element from a list, such as a date or a zone: what lies between a show and its seats.
//!
//! Buyers spread over the elements that are free. A buyer takes the same element as long as it is free, whatever comes and goes
//! beside it (rendezvous hashing), so nothing has to be remembered and no random stream is drawn from.

use crate::id::IdText;
use crate::mapping::Kept;
use crate::reader::{Pointers, Slots};
use crate::row::Want;
use crate::template::{Values, Variable};

/// How an element is chosen, and what is kept of it.
#[derive(Clone, Debug)]
pub(crate) struct Pick {
    /// The values that are kept, by their places in the element; the first one tells elements apart.
    pub(crate) keeps: Vec<(Variable, u8)>,
    /// What an element has to be.
    pub(crate) free: Vec<(u8, Want)>,
    /// Where the list itself is, in the response.
    pub(crate) list: u8,
    /// Differs between steps: who takes the first date need not take the first zone.
    pub(crate) salt: u64,
}

/// What a list has led to.
#[derive(Debug)]
pub(crate) enum Picked<'b> {
    /// The response is not JSON.
    NotJson,
    /// The response has no such list, or an element without what is to be kept.
    Unread,
    /// No element is free.
    Nothing,
    /// These values of one element.
    Element(Vec<(Variable, Kept<'b>)>),
}

impl Pick {
    /// Reads a body: the values of its pointers go to `slots`, and one element is chosen.
    pub(crate) fn read<'b>(
        &self,
        pointers: &Pointers,
        body: &'b [u8],
        slots: &mut Slots<'b>,
        buyer: &dyn Values,
    ) -> Picked<'b> {
        let seed = mix(buyer.choice() ^ self.salt);
        let mut best: Option<(u64, Vec<(Variable, Kept<'b>)>)> = None;
        let mut is_complete = true;
        let is_json = pointers.read(body, slots, &mut |element| {
            let fits = |(slot, want): &(u8, Want)| {
                want.accepts(&element[usize::from(*slot)], Some(element))
            };
            if !self.free.iter().all(fits) {
                return;
            }
            let keep = |(variable, slot): &(Variable, u8)| {
                Some((*variable, element[usize::from(*slot)].id()?.into_owned()))
            };
            let Some(kept) = self.keeps.iter().map(keep).collect::<Option<Vec<_>>>() else {
                is_complete = false;
                return;
            };
            let rank = rank(seed, kept.first().map(|(_, value)| value));
            if best.as_ref().is_none_or(|(highest, _)| rank > *highest) {
                best = Some((rank, kept));
            }
        });
        let has_list = slots[usize::from(self.list)].exists();
        match best {
            _ if !is_json => Picked::NotJson,
            _ if !is_complete || !has_list => Picked::Unread,
            Some((_, kept)) => Picked::Element(kept),
            None => Picked::Nothing,
        }
    }
}

/// Returns a number for the name of a step.
pub(crate) fn salt(name: &str) -> u64 {
    hash(0, name)
}

/// The rank of an element for one buyer.
fn rank(seed: u64, id: Option<&IdText<'_>>) -> u64 {
    id.map_or(seed, |id| mix(hash(seed, &id.text)))
}

/// FNV-1a, which is short and the same in every process.
fn hash(seed: u64, text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed;
    text.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The last step of SplitMix64: numbers that differ in one bit become unlike each other.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Buyer(u64);

    impl Values for Buyer {
        fn value(&self, _: Variable) -> Option<IdText<'_>> {
            None
        }

        fn choice(&self) -> u64 {
            self.0
        }
    }

    /// Picks the id of an element of the list `zones`.
    fn picked(buyer: u64, body: &str) -> Option<String> {
        let mut pointers = Pointers::default();
        let list = pointers.add("/zones").unwrap();
        assert!(pointers.set_elements("/zones/*"));
        let id = pointers.add_of_element("/id").unwrap();
        let pick = Pick {
            keeps: vec![(Variable::Kept(0), id)],
            free: Vec::new(),
            list,
            salt: salt("zone"),
        };
        let mut slots = Slots::default();
        match pick.read(&pointers, body.as_bytes(), &mut slots, &Buyer(buyer)) {
            Picked::Element(kept) => Some(kept[0].1.text.clone().into_owned()),
            Picked::Nothing => Some("nothing".to_owned()),
            Picked::NotJson | Picked::Unread => None,
        }
    }

    #[test]
    fn buyers_spread_over_a_list_and_stay_with_what_they_took() {
        let three = r#"{"zones":[{"id":"a"},{"id":"b"},{"id":"c"}]}"#;
        let without_b = r#"{"zones":[{"id":"c"},{"id":"a"}]}"#;
        let mut counts = [0; 3];
        for buyer in 0..300 {
            let first = picked(buyer, three).unwrap();
            counts["abc".find(&first).unwrap()] += 1;
            let then = picked(buyer, without_b).unwrap();
            assert!(first == "b" || then == first, "{first}, then {then}");
        }
        assert!(
            counts.iter().all(|count| (60..140).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn an_empty_list_is_not_the_same_as_none() {
        assert_eq!(picked(1, r#"{"zones":[]}"#).as_deref(), Some("nothing"));
        for body in [
            r#"{"zoness":[{"id":1}]}"#,
            "<html>",
            r#"{"zones":[{"no":1}]}"#,
        ] {
            assert_eq!(picked(1, body), None, "{body}");
        }
    }
}
