//! What a response about the queue says beside whether the buyer waits.

use crate::reader::{Pointers, Slots};

/// A buyer's place in the queue, as a response states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Position; `None` if the response has none.
    pub position: Option<u32>,
    /// Places that are taken, and how many there are; `None` if the response does not say.
    pub taken_of: Option<(u64, u64)>,
}

/// Where a response states it. It has pointers of its own: only who audits a system reads them.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlaceIn {
    pub(crate) pointers: Pointers,
    pub(crate) position: Option<u8>,
    pub(crate) taken: Option<u8>,
    pub(crate) of: Option<u8>,
}

impl PlaceIn {
    /// Reads the place; nothing from a body that is not JSON.
    pub(crate) fn read(&self, body: &[u8]) -> Place {
        let mut slots = Slots::default();
        if !self.pointers.read(body, &mut slots, &mut |_| {}) {
            return Place::default();
        }
        let whole = |slot: Option<u8>| slots[usize::from(slot?)].whole();
        Place {
            position: whole(self.position).and_then(|position| u32::try_from(position).ok()),
            taken_of: whole(self.taken).zip(whole(self.of)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::RoleName;

    #[test]
    fn a_response_about_the_queue_may_state_position_and_places() {
        let mapping = crate::tiketi();
        let role = mapping.role(RoleName::QueueStatus).unwrap();
        let body =
            br#"{"queued":true,"position":7,"queueSize":9,"currentUsers":"3","threshold":20}"#;
        let expected = Place {
            position: Some(7),
            taken_of: Some((3, 20)),
        };
        assert_eq!(role.place(body), expected);
        for body in [
            &b"{\"queued\":true}"[..],
            b"[]",
            b"{\"position\":-1}",
            b"{\"position\":1.5}",
            b"<html>",
        ] {
            assert_eq!(role.place(body), Place::default());
        }
        let list = mapping.role(RoleName::SeatList).unwrap();
        assert_eq!(list.place(body), Place::default());
    }
}
