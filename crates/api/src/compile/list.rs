//! The list of a role: shows, or seats.

use super::role::{Kind, check_pointer, too_many};
use crate::mapping::RoleName;
use crate::problem::Problems;
use crate::reader::Pointers;
use crate::table::Table;
use crate::tree::Node;

/// The list of a role: where its elements and their ids are. Returns the slot of the id.
pub(super) fn list(
    table: &mut Table<'_>,
    kind: Kind,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Option<u8> {
    const EXPECTED: &str = "a JSON pointer that ends with `*`, such as \"/seats/*\"";
    let (name, _) = kind.element()?;
    let Some((at, each)) = table.text("each", EXPECTED, problems) else {
        if table.find("each").is_none() {
            let message = format!("`each` is missing in `{}`", table.at.path);
            let help = "say where the elements of the list are";
            problems.report(&table.at, message, EXPECTED, help);
        }
        return None;
    };
    if !each.ends_with("/*") || !pointers.set_elements(each) {
        let message = format!("`{}` is \"{each}\"", at.path);
        let help = "`*` stands for each element of a list";
        problems.report(&at, message, EXPECTED, help);
        return None;
    }
    let id = table
        .find("keep")
        .and_then(|(at, tree)| Some((at, tree.get(name)?.text()?)));
    let Some((at, id)) = id else {
        let message = format!(
            "`{}` does not say where the id of a {name} is",
            table.at.path
        );
        let expected = format!("`keep = {{ {name} = \"/id\" }}`, from the element");
        problems.report(&table.at, message, expected, "say where its id is");
        return None;
    };
    if !check_pointer(&at, id, problems) {
        return None;
    }
    pointers.add_of_element(id)
}

/// Where the elements of a list of shows have their title: the slot.
pub(super) fn title(
    table: &mut Table<'_>,
    kind: Kind,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Option<u8> {
    const EXPECTED: &str = "a JSON pointer from the element, such as \"/title\"";
    if kind != Kind::Role(RoleName::ShowList) {
        return None;
    }
    let (at, title) = table.text("title", EXPECTED, problems)?;
    if !check_pointer(&at, title, problems) {
        return None;
    }
    let slot = pointers.add_of_element(title);
    if slot.is_none() {
        too_many(&at, problems);
    }
    slot
}

/// Whether several buyers can have one element of the list.
pub(super) fn shared(table: &mut Table<'_>, kind: Kind, problems: &mut Problems) -> bool {
    if kind != Kind::Role(RoleName::SeatList) {
        return false;
    }
    let Some((at, tree)) = table.find("shared") else {
        return false;
    };
    if let Node::Flag(is_shared) = tree.node {
        return is_shared;
    }
    let help = "kinds of tickets are shared; a seat is not";
    problems.reject(&at, tree, "true or false", help);
    false
}
