//! How many hold a ticket before a given one, in logarithmic time.

/// A Fenwick tree over the tickets of a line: it counts those that are still held, so that a place among 20,000 takes 15
/// additions.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranks {
    counts: Vec<u32>,
}

impl Ranks {
    /// A ticket is given or given back: the next new one, or one that was given before.
    pub(super) fn insert(&mut self, ticket: usize) {
        if ticket == self.counts.len() {
            self.push();
            return;
        }
        let mut node = ticket + 1;
        while node <= self.counts.len() {
            self.counts[node - 1] += 1;
            node += lowest_bit(node);
        }
    }

    /// A ticket that was held is not held any more.
    pub(super) fn remove(&mut self, ticket: usize) {
        let mut node = ticket + 1;
        while node <= self.counts.len() {
            self.counts[node - 1] -= 1;
            node += lowest_bit(node);
        }
    }

    /// Tickets held up to and including this one.
    pub(super) fn up_to(&self, ticket: usize) -> u32 {
        let mut node = ticket + 1;
        let mut held = 0;
        while node > 0 {
            held += self.counts[node - 1];
            node -= lowest_bit(node);
        }
        held
    }

    /// Adds a node for the next ticket, which is held. It sums up the nodes directly below it.
    fn push(&mut self) {
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
}

const fn lowest_bit(node: usize) -> usize {
    node & node.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use tiketi_core::rng::Streams;

    use super::*;

    #[test]
    fn ranks_agree_with_counting() {
        let mut stream = Streams::new(5).named("ranks");
        let (mut ranks, mut held) = (Ranks::default(), Vec::new());
        for _ in 0..3_000 {
            let ticket = stream.random_range(0..=held.len());
            if ticket == held.len() {
                held.push(true);
                ranks.insert(ticket);
            } else if std::mem::replace(&mut held[ticket], false) {
                ranks.remove(ticket);
            } else {
                held[ticket] = true;
                ranks.insert(ticket);
            }
            let at = stream.random_range(0..held.len());
            let counted = held[..=at].iter().filter(|held| **held).count();
            assert_eq!(ranks.up_to(at) as usize, counted);
        }
    }
}
