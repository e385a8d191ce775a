//! Rows of conditions: the first one that matches a response says what it means.

use std::cmp::Ordering;

use tiketi_core::names;

use crate::reader::Slots;
use crate::scalar::Scalar;
use crate::template::{Nobody, Values, Variable};

/// What a response means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// It worked, and says nothing else.
    Done,
    /// The buyer is in the queue.
    Queued,
    /// The buyer may choose a seat.
    Admitted,
    /// The buyer is in the queue no longer; whether admitted or dropped, the back end does not say.
    NoLongerQueued,
    /// The buyer has lost the place in the queue.
    Dropped,
    /// The queue has moved: a page that polls on such messages asks now.
    Updated,
    /// There is nothing left to buy.
    SoldOut,
    /// Somebody else has the seat.
    Taken,
    /// A seat can be had again.
    Released,
    /// The seat is held.
    Held,
    /// The reservation is paid.
    Paid,
    /// The back end works on it: ask again later.
    AcceptedPollLater,
    /// Too many requests: come back later.
    ComeBack,
    /// A valid refusal for another reason.
    Refused,
}

names!(Meaning {
    Done = "done",
    Queued = "queued",
    Admitted = "admitted",
    NoLongerQueued = "no-longer-queued",
    Dropped = "dropped",
    Updated = "updated",
    SoldOut = "sold-out",
    Taken = "taken",
    Released = "released",
    Held = "held",
    Paid = "paid",
    AcceptedPollLater = "accepted-poll-later",
    ComeBack = "come-back",
    Refused = "refused",
});

/// One row: it matches if all its conditions do.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) meaning: Meaning,
}

/// One condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// The status is in one of these ranges.
    Status(Vec<(u16, u16)>),
    /// The body contains all of these words, which are in lower case, in any case.
    Text(Vec<String>),
    /// A value of the JSON body.
    Json(u8, Want),
    /// A header.
    Header(String, Want),
    /// The name of a message.
    Event(Want),
}

/// What a value has to be.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    /// One of these.
    AnyOf(Vec<Literal>),
    /// None of these; a value that is not there is none of them.
    NoneOf(Vec<Literal>),
    /// There, or not there.
    Exists(bool),
    /// Compared with another value by size.
    Compared(Comparison, Other),
    /// The same as another value.
    SameAs(Other),
    /// Another value than this.
    DiffersFrom(Other),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// What a value is compared with.
#[derive(Clone, Debug)]
pub(crate) enum Other {
    Number(f64),
    /// Another value of the body.
    Slot(u8),
    /// What the buyer has kept from an earlier response.
    Variable(Variable),
}

/// A value in a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// What rows are compared with.
pub(crate) struct Facts<'f, 'b> {
    pub(crate) status: u16,
    /// `None` if the body is not JSON, or none of it is needed.
    pub(crate) slots: Option<&'f Slots<'b>>,
    pub(crate) body: &'b [u8],
    pub(crate) header: &'f dyn Fn(&str) -> Option<&'b str>,
    /// The name of a message; `None` for responses, and for messages without one.
    pub(crate) event: Option<&'b str>,
    /// Whose response it is.
    pub(crate) buyer: &'f dyn Values,
}

impl Row {
    pub(crate) fn matches(&self, facts: &Facts<'_, '_>) -> bool {
        self.conditions
            .iter()
            .all(|condition| condition.matches(facts))
    }
}

impl Condition {
    fn matches(&self, facts: &Facts<'_, '_>) -> bool {
        match self {
            Self::Status(ranges) => ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&facts.status)),
            Self::Text(words) => {
                let text = String::from_utf8_lossy(facts.body).to_lowercase();
                words.iter().all(|word| text.contains(word))
            }
            Self::Json(slot, want) => facts.slots.is_some_and(|slots| {
                want.fits(&slots[usize::from(*slot)], Some(slots), facts.buyer)
            }),
            Self::Header(name, want) => {
                let value = (facts.header)(name);
                let value = value.map_or(Scalar::Missing, |text| Scalar::Text(text.into()));
                want.fits(&value, facts.slots, facts.buyer)
            }
            Self::Event(want) => {
                let value = facts.event;
                let value = value.map_or(Scalar::Missing, |text| Scalar::Text(text.into()));
                want.fits(&value, facts.slots, facts.buyer)
            }
        }
    }
}

impl Want {
    /// Returns whether a value of a list's element is what it has to be.
    pub(crate) fn accepts(&self, value: &Scalar<'_>, slots: Option<&Slots<'_>>) -> bool {
        self.fits(value, slots, &Nobody)
    }

    /// Returns whether a value of this buyer's response is what it has to be.
    fn fits(&self, value: &Scalar<'_>, slots: Option<&Slots<'_>>, buyer: &dyn Values) -> bool {
        match self {
            Self::AnyOf(literals) => literals.iter().any(|literal| literal.equals(value)),
            Self::NoneOf(literals) => !literals.iter().any(|literal| literal.equals(value)),
            Self::Exists(wanted) => value.exists() == *wanted,
            Self::Compared(comparison, with) => {
                let order = with.with(slots, buyer, |other| value.order(other));
                order.flatten().is_some_and(|order| comparison.holds(order))
            }
            Self::SameAs(with) => with
                .with(slots, buyer, |other| value.same(other))
                .unwrap_or(false),
            Self::DiffersFrom(with) => with
                .with(slots, buyer, |other| !value.same(other))
                .unwrap_or(false),
        }
    }
}

impl Other {
    /// Looks at the value; `None` if there is none.
    fn with<T>(
        &self,
        slots: Option<&Slots<'_>>,
        buyer: &dyn Values,
        look: impl FnOnce(&Scalar<'_>) -> T,
    ) -> Option<T> {
        match self {
            Self::Number(number) => Some(look(&Scalar::Number(*number))),
            Self::Slot(slot) => slots.map(|slots| look(&slots[usize::from(*slot)])),
            Self::Variable(variable) => {
                let value = buyer.value(*variable)?;
                Some(look(&Scalar::Text(value.text)))
            }
        }
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
        }
    }
}

impl Literal {
    /// A text is not a number here: `"1"` and `1` are two values.
    fn equals(&self, value: &Scalar<'_>) -> bool {
        match (self, value) {
            (Self::Text(one), Scalar::Text(two)) => one == two,
            (Self::Flag(one), Scalar::Flag(two)) => one == two,
            (Self::Number(_), Scalar::Text(_)) => false,
            (Self::Number(one), _) => value.number() == Some(*one),
            _ => false,
        }
    }
}
