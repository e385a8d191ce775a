//! What is sold, the waiting room in front of it, and the server's switches.

use super::SOME_LENGTH;
use crate::diagnostic::Problem;
use crate::document::Section;
use crate::plan::{self, Server, Show, WaitingRoom};
use tiketi_core::units::Won;

/// More seats than any venue has; a map of more would not fit one answer.
const SEATS_MAX: u32 = 200_000;

pub(super) fn show(section: &Section<'_>) -> Option<Show> {
    let title = section.value("title").and_then(|value| value.text());
    let hold = section
        .value("hold")
        .and_then(|value| value.length(SOME_LENGTH));
    let blocks = section.elements("sections", None);
    let blocks: Vec<_> = blocks.iter().map(block).collect();
    let blocks: Option<Vec<_>> = blocks.into_iter().collect();
    if let Some(blocks) = &blocks {
        let seats: u64 = blocks.iter().map(seats_in).sum();
        if blocks.is_empty() || seats > u64::from(SEATS_MAX) {
            let problem = Problem::new(format!("`show.sections` hold {seats} seats"));
            section.complain(&["sections"], problem.legal(format!("1 to {SEATS_MAX}")));
            return None;
        }
        report_twins(section, blocks);
    }
    Some(Show {
        title: title?.to_owned(),
        hold: hold?,
        sections: blocks?,
    })
}

fn block(section: &Section<'_>) -> Option<plan::Section> {
    let name = section.value("name").and_then(|value| value.text());
    let rows = section
        .value("rows")
        .and_then(|value| value.whole(1..=10_000));
    let seats_per_row = section
        .value("seats_per_row")
        .and_then(|value| value.whole(1..=10_000));
    let price = section
        .value("price")
        .and_then(|value| value.whole(0..=100_000_000));
    Some(plan::Section {
        name: name?.to_owned(),
        rows: rows?,
        seats_per_row: seats_per_row?,
        price: Won(price?),
    })
}

fn seats_in(block: &plan::Section) -> u64 {
    u64::from(block.rows) * u64::from(block.seats_per_row)
}

/// Two blocks of the same name would share their seats' labels.
fn report_twins(section: &Section<'_>, blocks: &[plan::Section]) {
    for (index, block) in blocks.iter().enumerate() {
        if blocks[..index].iter().any(|other| other.name == block.name) {
            let problem = Problem::new(format!("two sections are called `{}`", block.name));
            section.complain(&["sections"], problem.help("give each a name of its own"));
        }
    }
}

pub(super) fn waiting_room(section: &Section<'_>) -> Option<WaitingRoom> {
    let active_max = section.value("active_max");
    let active_max = active_max.and_then(|value| value.whole(1..=10_000_000));
    let length = |key| section.value(key).and_then(|v| v.length(SOME_LENGTH));
    let admit_every = length("admit_every");
    let idle_timeout = length("idle_timeout");
    let update_every = length("update_every");
    Some(WaitingRoom {
        active_max: active_max?,
        admit_every: admit_every?,
        idle_timeout: idle_timeout?,
        update_every: update_every?,
    })
}

pub(super) fn server(section: &Section<'_>) -> Option<Server> {
    let rate_limit = section.value("rate_limit");
    let rate_limit = rate_limit.and_then(|value| value.unless("none", |v| v.whole(1..=1_000_000)));
    let length = |key| section.value(key).and_then(|v| v.length(SOME_LENGTH));
    let session_ttl = length("session_ttl");
    let show_list_ttl = length("show_list_ttl");
    let show_detail_ttl = length("show_detail_ttl");
    Some(Server {
        rate_limit: rate_limit?,
        session_ttl: session_ttl?,
        show_list_ttl: show_list_ttl?,
        show_detail_ttl: show_detail_ttl?,
    })
}
