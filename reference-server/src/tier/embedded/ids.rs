//! The ids that users know, and the numbers by which the data tier knows them.

use std::collections::BTreeMap;

use tiketi_core::units::BuyerId;
use uuid::Uuid;

/// Users by number, in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Users {
    numbers: BTreeMap<Uuid, BuyerId>,
    ids: Vec<Uuid>,
}

impl Users {
    /// How many there are: their numbers are below.
    pub(super) const fn count(&self) -> usize {
        self.ids.len()
    }

    /// The number of a user, a new one for a new user.
    pub(super) fn number(&mut self, id: Uuid) -> BuyerId {
        *self.numbers.entry(id).or_insert_with(|| {
            let number = u32::try_from(self.ids.len()).expect("fewer users than numbers");
            self.ids.push(id);
            BuyerId(number)
        })
    }

    /// The number of a user; `None` if nobody has seen the user yet.
    pub(super) fn find(&self, id: &Uuid) -> Option<BuyerId> {
        self.numbers.get(id).copied()
    }

    /// The id of a user with a number.
    pub(super) fn id(&self, number: BuyerId) -> Uuid {
        self.ids[number.0 as usize]
    }
}
