//! Which address of a name a client uses.

/// The addresses of one name as a client uses them: in turn, without those that failed since the last lookup.
///
/// When and how to look the name up again is up to the caller.
#[derive(Clone, Debug)]
pub struct AddressRotation<A> {
    addresses: Vec<A>,
    failed: Vec<A>,
    turn: usize,
}

impl<A> Default for AddressRotation<A> {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            failed: Vec::new(),
            turn: 0,
        }
    }
}

impl<A: Copy + PartialEq> AddressRotation<A> {
    /// Starts with addresses that are known without a lookup.
    pub fn new(addresses: impl IntoIterator<Item = A>) -> Self {
        let mut rotation = Self::default();
        rotation.renew(addresses);
        rotation
    }

    /// Takes the answer of a lookup: every address may be tried again.
    pub fn renew(&mut self, addresses: impl IntoIterator<Item = A>) {
        self.addresses.clear();
        self.addresses.extend(addresses);
        self.failed.clear();
    }

    /// Returns the address for the next connection; `None` if the name has none.
    pub fn pick(&mut self) -> Option<A> {
        let count = self.addresses.len();
        for _ in 0..count {
            let address = self.addresses[self.turn % count];
            self.turn = (self.turn + 1) % count;
            if !self.failed.contains(&address) {
                return Some(address);
            }
        }
        None
    }

    /// Avoids an address until the next lookup, if another one is left.
    pub fn avoid(&mut self, address: A) {
        let is_known = self.addresses.contains(&address);
        if is_known && !self.failed.contains(&address) {
            self.failed.push(address);
        }
        if self.failed.len() >= self.addresses.len() {
            self.failed.clear();
        }
    }

    /// Avoids an address until the next lookup. Returns another one to try; `None` if all have failed, and then the next
    /// connection tries each again.
    pub fn handle_failure(&mut self, address: A) -> Option<A> {
        // A connection may fail after the lookup that followed it: the name may no longer have that address.
        let is_known = self.addresses.contains(&address);
        if is_known && !self.failed.contains(&address) {
            self.failed.push(address);
        }
        if self.failed.len() >= self.addresses.len() {
            self.failed.clear();
            return None;
        }
        self.pick()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(addresses: &[u8]) -> AddressRotation<u8> {
        AddressRotation::new(addresses.iter().copied())
    }

    #[test]
    fn addresses_take_turns() {
        let mut names = rotation(&[1, 2]);
        let picks = [(); 4].map(|()| names.pick().unwrap());
        assert_eq!(picks, [1, 2, 1, 2]);
    }

    #[test]
    fn a_failed_address_is_avoided_until_the_next_lookup() {
        let mut names = rotation(&[1, 2]);
        assert_eq!(names.handle_failure(1), Some(2));
        assert_eq!([names.pick(), names.pick()], [Some(2), Some(2)]);
        names.renew([1, 2]);
        let mut picks = [names.pick().unwrap(), names.pick().unwrap()];
        picks.sort_unstable();
        assert_eq!(picks, [1, 2]);
    }

    #[test]
    fn when_all_have_failed_the_next_connection_tries_each_again() {
        let mut names = rotation(&[1, 2]);
        assert_eq!(names.handle_failure(1), Some(2));
        assert_eq!(names.handle_failure(2), None);
        assert!(names.pick().is_some());
    }

    #[test]
    fn an_address_the_name_no_longer_has_does_not_count_as_failed() {
        let mut names = rotation(&[3]);
        assert_eq!(names.handle_failure(1), Some(3));
        assert_eq!(names.pick(), Some(3));
    }

    #[test]
    fn a_name_without_addresses_has_none_to_pick() {
        assert_eq!(rotation(&[]).pick(), None);
        assert_eq!(rotation(&[]).handle_failure(1), None);
    }
}
