//! Values of options: what is on sale, and how the instances are emulated.

use tiketi_server::{Profile, Section, StandingArea};

/// Most rows, and most seats per row.
const ROWS_MAX: u32 = 10_000;

/// Most seats and standing tickets together: no venue has more, and a larger list does not fit into one response.
const TICKETS_MAX: u64 = 200_000;

/// Highest price of a ticket, in won.
const PRICE_MAX: u32 = 100_000_000;

/// Longest name of a section or title, in characters.
const NAME_MAX: usize = 200;

/// Checks that the sections and areas have different names and not too many tickets together.
pub(super) fn check_total(sections: &[Section], standing: &[StandingArea]) -> Result<(), BadValue> {
    let seats = sections
        .iter()
        .map(|section| u64::from(section.rows) * u64::from(section.seats_per_row));
    let places = standing.iter().map(|area| u64::from(area.quantity));
    let tickets: u64 = seats.chain(places).sum();
    if tickets > TICKETS_MAX {
        return Err(BadValue::TooManyTickets { tickets });
    }
    let names = sections.iter().map(|section| &section.name);
    let mut names: Vec<_> = names
        .chain(standing.iter().map(|area| &area.name))
        .collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(BadValue::Twins {
            name: pair[0].clone(),
        }),
        None => Ok(()),
    }
}

pub(super) fn demo_sections() -> Vec<Section> {
    [("VIP", 5, 154_000), ("R", 10, 132_000), ("S", 10, 99_000)]
        .into_iter()
        .map(|(name, rows, price)| Section {
            name: name.to_owned(),
            rows,
            seats_per_row: 20,
            price,
        })
        .collect()
}

/// Why the value of an option is invalid.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadValue {
    /// Not a section.
    #[error("expected NAME:ROWS:SEATS:PRICE, for example VIP:5:20:154000")]
    Section,
    /// Not a standing area.
    #[error("expected NAME:TICKETS:PRICE, for example Floor:500:110000")]
    StandingArea,
    /// A part of a section or an area that is not a number within its limits.
    #[error("{what} is `{value}` (expected {min} to {max})")]
    Part {
        what: &'static str,
        value: String,
        min: u32,
        max: u32,
    },
    /// A name that is empty, too long, or has control characters.
    #[error("expected 1 to {} characters on one line", NAME_MAX)]
    Name,
    /// More tickets than a venue has.
    #[error(
        "{tickets} tickets in all (expected 0 to {})\n\nhint: lower the rows, seats or tickets of --section and --standing",
        TICKETS_MAX
    )]
    TooManyTickets { tickets: u64 },
    /// Two sections or areas with the same name, whose tickets could not be told apart.
    #[error(
        "two sections or areas are called `{name}` (expected a different name for each)\n\nhint: change one --section or --standing"
    )]
    Twins { name: String },
    /// No profile has this name.
    #[error("unknown profile (expected native or t3-medium-node)")]
    Profile,
    /// Not a number within the limits.
    #[error("expected a number from 0.1 to 1000")]
    Speed,
}

pub(super) fn section(text: &str) -> Result<Section, BadValue> {
    let parts: Vec<&str> = text.split(':').collect();
    let [name, rows, seats, price] = parts[..] else {
        return Err(BadValue::Section);
    };
    Ok(Section {
        name: self::name(name)?,
        rows: part("ROWS", rows, 1, ROWS_MAX)?,
        seats_per_row: part("SEATS", seats, 1, ROWS_MAX)?,
        price: part("PRICE", price, 0, PRICE_MAX)?,
    })
}

/// A number within its limits.
fn part<N: TryFrom<u32>>(
    what: &'static str,
    text: &str,
    min: u32,
    max: u32,
) -> Result<N, BadValue> {
    let number = text.parse().ok();
    let number = number.filter(|number| (min..=max).contains(number));
    let number = number.and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| BadValue::Part {
        what,
        value: text.to_owned(),
        min,
        max,
    })
}

/// A title, or the name of a section.
pub(super) fn name(text: &str) -> Result<String, BadValue> {
    let is_valid =
        (1..=NAME_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    is_valid.then(|| text.to_owned()).ok_or(BadValue::Name)
}

pub(super) fn standing(text: &str) -> Result<StandingArea, BadValue> {
    let parts: Vec<&str> = text.split(':').collect();
    let [name, quantity, price] = parts[..] else {
        return Err(BadValue::StandingArea);
    };
    let tickets_max = u32::try_from(TICKETS_MAX).unwrap_or(u32::MAX);
    Ok(StandingArea {
        name: self::name(name)?,
        quantity: part("TICKETS", quantity, 1, tickets_max)?,
        price: part("PRICE", price, 0, PRICE_MAX)?,
    })
}

pub(super) fn profile(name: &str) -> Result<Profile, BadValue> {
    Profile::named(name).ok_or(BadValue::Profile)
}

pub(super) fn speed(text: &str) -> Result<f64, BadValue> {
    let speed: f64 = text.parse().map_err(|_| BadValue::Speed)?;
    (0.1..=1_000.0)
        .contains(&speed)
        .then_some(speed)
        .ok_or(BadValue::Speed)
}
