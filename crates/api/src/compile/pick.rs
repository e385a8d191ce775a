//! The list of an extra step, from which the buyer picks one element.

use super::role::{Context, Kind, check_pointer, slot, too_many};
use super::rows::wants;
use crate::pick::{Pick, salt};
use crate::problem::Problems;
use crate::reader::Pointers;
use crate::table::Table;
use crate::template::Variable;

/// Reads `each`, `pick` and `free` of an extra step; `None` if it has no list.
pub(super) fn pick(
    table: &mut Table<'_>,
    kind: Kind,
    context: &Context<'_>,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Option<Pick> {
    const EXPECTED: &str = "a JSON pointer that ends with `*`, such as \"/dates/*\"";
    if kind != Kind::Extra {
        return None;
    }
    let each = table.find("each");
    let free = table.find("free");
    let Some((pick_at, pick)) = table.find("pick") else {
        if let Some((at, _)) = each.or(free) {
            let message = format!("`{}` is there, but `pick` is not", at.path);
            let expected = "`pick = { NAME = \"/id\" }`, from the element";
            problems.report(&at, message, expected, "say what is kept of an element");
        }
        return None;
    };
    let Some((each_at, tree)) = each else {
        let message = format!("`each` is missing in `{}`", table.at.path);
        let help = "say where the elements of the list are";
        problems.report(&table.at, message, EXPECTED, help);
        return None;
    };
    let each = tree.text().filter(|each| each.ends_with("/*"));
    let Some(each) = each.filter(|each| pointers.set_elements(each)) else {
        problems.reject(
            &each_at,
            tree,
            EXPECTED,
            "`*` stands for each element of a list",
        );
        return None;
    };
    let list = slot(&each_at, each.strip_suffix("/*")?, pointers, problems)?;
    let mut keeps = Vec::new();
    for (at, entry) in Table::open(pick_at.clone(), pick, problems)?.lines() {
        let name = entry.key.name.as_str();
        let Some(variable @ Variable::Kept(_)) = context.variable(name) else {
            let message = format!("`{}` cannot be picked", at.path);
            let help = "seats are chosen from `seat_list`, and the show once for all buyers";
            problems.report(&at, message, "another name, such as `date` or `zone`", help);
            continue;
        };
        let Some(pointer) = entry.value.text() else {
            problems.reject(
                &at,
                &entry.value,
                "\"/pointer\"",
                "say where it is in the element",
            );
            continue;
        };
        if !check_pointer(&at, pointer, problems) {
            continue;
        }
        match pointers.add_of_element(pointer) {
            Some(slot) => keeps.push((variable, slot)),
            None => too_many(&at, problems),
        }
    }
    if keeps.is_empty() && problems.is_empty() {
        let message = format!("`{}` is empty", pick_at.path);
        let expected = "`pick = { NAME = \"/id\" }`, from the element";
        problems.report(
            &pick_at,
            message,
            expected,
            "say what is kept of an element",
        );
    }
    let free = free.map_or_else(Vec::new, |(at, tree)| wants(at, tree, pointers, problems));
    Some(Pick {
        keeps,
        free,
        list,
        salt: salt(&table.at.path),
    })
}
