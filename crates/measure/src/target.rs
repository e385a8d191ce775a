//! A target outside the testbed: what its buyers and its seat map show of it.

use serde::{Deserialize, Serialize};

use super::witness::Witness;

/// Most examples of one defect that are kept.
pub const EXAMPLES_MAX: usize = 5;

/// What is known of a target at the end of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetFigures {
    /// Its URL: scheme, host, port, and the path in front of all others if there is one.
    pub url: String,
    /// That path; empty without one. Requests contain it.
    pub base: String,
    /// The id of the show.
    pub show: String,
    /// The title of the show; `None` if the target gives it none.
    pub title: Option<String>,
    /// The name and version of the API mapping.
    pub mapping: String,
    /// Whether buyers spoke HTTP/2 with it, each over a connection of its own.
    pub http2: bool,
    /// Whether any certificate was accepted, so that nothing shows which system it was.
    pub certificates_unchecked: bool,
    /// Whether several buyers used one token, so that the target took them for one person.
    pub tokens_reused: bool,
    /// What all buyers saw together.
    pub witness: Witness,
    /// Seats that were confirmed to buyers.
    pub tickets: Tickets,
    /// The seat map before the load compared with the one after it, or why it could not be read, as a sentence fragment.
    pub seats: Option<Result<SeatMaps, String>>,
}

impl TargetFigures {
    /// Returns the URL without its path.
    pub fn origin(&self) -> &str {
        self.url.strip_suffix(&self.base).unwrap_or(&self.url)
    }
}

/// Seats whose payment was confirmed to buyers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tickets {
    /// Confirmed payments whose seat is known.
    pub confirmed: u64,
    /// Seats that were confirmed for more than one reservation.
    pub seats_twice: Cases,
}

/// How many times something was found, and some of the places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cases {
    /// How many.
    pub count: u64,
    /// The first ones, for people.
    pub examples: Vec<String>,
}

impl Cases {
    /// Adds one; only the first few are kept as examples.
    pub fn push(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example());
        }
    }
}

/// The seat map before the load and after it, compared with the responses that buyers got about each seat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeatMaps {
    /// Available seats before the load.
    pub free_before: u64,
    /// Available seats after it.
    pub free_after: u64,
    /// Seats that buyers asked for and were refused, although they were available before the load.
    pub refused: u64,
    /// Of these, the ones that are not available after the load, although nobody in the run got a confirmation for them.
    pub locked_for_nobody: Cases,
    /// Seats of confirmed payments that the map shows as available after the load.
    pub sold_but_free: Cases,
    /// Of these, the ones that a map a few seconds later shows correctly.
    pub sold_but_free_for_a_while: u64,
    /// Seats whose payment was reported as failed or refused.
    pub reported_unpaid: u64,
    /// Of these, the ones that the map shows as sold although no payment for them was confirmed.
    pub reported_unpaid_but_sold: Cases,
    /// Seats for which a payment got no response.
    pub unanswered: u64,
    /// Of these, the ones that the map shows as sold although no payment for them was confirmed.
    pub unanswered_but_sold: Cases,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_cases_are_kept_and_all_are_counted() {
        let mut cases = Cases::default();
        for seat in 0..100 {
            cases.push(|| format!("seat {seat}"));
        }
        assert_eq!(cases.count, 100);
        assert_eq!(cases.examples.len(), EXAMPLES_MAX);
        assert_eq!(cases.examples[0], "seat 0");
    }
}
