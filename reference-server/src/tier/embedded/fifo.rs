//! The waiting line: first in, first out, with the place of anyone in logarithmic time.

use std::collections::BTreeMap;

use uuid::Uuid;

/// A line of users. Plays the sorted set `queue:{eventId}`: joining is `ZADD NX`, the place is `ZRANK`,
/// the head is `ZPOPMIN`.
///
/// A ticket is a place in the order of arrival. A Fenwick tree over the tickets counts who is still there, so the
/// place of one among 20,000 takes 15 additions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fifo {
    tickets: BTreeMap<Uuid, usize>,
    users: Vec<Option<Uuid>>,
    counts: Vec<u32>,
    head: usize,
}

/// Tickets of people who have left that may pile up before the line is numbered anew.
const STALE_TICKETS_MAX: usize = 4_096;

impl Fifo {
    pub(crate) fn len(&self) -> usize {
        self.tickets.len()
    }

    pub(crate) fn contains(&self, user: &Uuid) -> bool {
        self.tickets.contains_key(user)
    }

    /// Joins the end of the line; returns whether the user was not in it.
    pub(crate) fn join(&mut self, user: Uuid) -> bool {
        if self.contains(&user) {
            return false;
        }
        self.compact();
        let ticket = self.users.len();
        self.tickets.insert(user, ticket);
        self.users.push(Some(user));
        self.push_count();
        true
    }

    /// Leaves the line; returns whether the user was in it.
    pub(crate) fn leave(&mut self, user: &Uuid) -> bool {
        let Some(ticket) = self.tickets.remove(user) else {
            return false;
        };
        self.users[ticket] = None;
        let mut node = ticket + 1;
        while node <= self.counts.len() {
            self.counts[node - 1] -= 1;
            node += lowest_bit(node);
        }
        while self.users.get(self.head).is_some_and(Option::is_none) {
            self.head += 1;
        }
        true
    }

    /// Place in the line, 1 for the head; `None` when not in it.
    pub(crate) fn position(&self, user: &Uuid) -> Option<u32> {
        let mut node = self.tickets.get(user)? + 1;
        let mut position = 0;
        while node > 0 {
            position += self.counts[node - 1];
            node -= lowest_bit(node);
        }
        Some(position)
    }

    /// The first `count` users, in order.
    pub(crate) fn first(&self, count: usize) -> Vec<Uuid> {
        let line = self.users[self.head.min(self.users.len())..].iter();
        line.flatten().take(count).copied().collect()
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = &Uuid> {
        self.tickets.keys()
    }

    fn push_count(&mut self) {
        let node = self.counts.len() + 1;
        let mut count = 1;
        let mut below = node - 1;
        let floor = node - lowest_bit(node);
        while below > floor {
            count += self.counts[below - 1];
            below -= lowest_bit(below);
        }
        self.counts.push(count);
    }

    fn compact(&mut self) {
        let stale = self.users.len() - self.tickets.len();
        // Also at least half of all, so that the work is paid for by as many departures.
        if stale < STALE_TICKETS_MAX || stale < self.users.len() / 2 {
            return;
        }
        let line = self.first(self.len());
        *self = Self::default();
        for user in line {
            self.join(user);
        }
    }
}

fn lowest_bit(node: usize) -> usize {
    node & node.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u32) -> Uuid {
        Uuid::from_u128(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    #[test]
    fn people_stand_in_order_of_arrival_and_keep_their_place() {
        let mut line = Fifo::default();
        assert!((1..=5).all(|number| line.join(user(number))));
        assert!(!line.join(user(3)), "a refresh is not a second arrival");
        assert_eq!(line.position(&user(3)), Some(3));
        assert!(line.leave(&user(2)));
        assert_eq!(line.position(&user(3)), Some(2));
        assert_eq!(line.first(2), vec![user(1), user(3)]);
        assert_eq!(line.position(&user(2)), None);
    }

    #[test]
    fn positions_agree_with_counting_through_departures_and_renumbering() {
        let mut line = Fifo::default();
        let mut plain: Vec<Uuid> = Vec::new();
        for number in 0..12_000u32 {
            line.join(user(number));
            plain.push(user(number));
            if number % 3 != 0 {
                let gone = plain.remove((number as usize * 7) % plain.len());
                assert!(line.leave(&gone));
            }
        }
        assert!(line.users.len() < 12_000, "left tickets are dropped");
        assert_eq!(line.len(), plain.len());
        assert_eq!(line.first(plain.len()), plain);
        for (index, member) in plain.iter().enumerate() {
            assert_eq!(line.position(member), u32::try_from(index + 1).ok());
        }
    }
}
