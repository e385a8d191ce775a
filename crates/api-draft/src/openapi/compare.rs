//! Compares a mapping with a document: paths, methods, parameters, bodies, statuses, and pointers into responses.

mod near;
mod sent;

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;
use tiketi_api::{Moment, Node, Problem, RoleName, Tree, with_preset};

use super::Document;
use super::operation::{Answer, Operation};
use super::schema::Reach;
use near::{
    compared_with, fit, header_names, nearest, nearest_paths, of_status, one_of, place_of,
    says_absent, shown,
};

/// Names that a message lists.
const LISTED_MAX: usize = 8;

/// Compares a mapping with a document.
pub(super) fn compare(document: &Document, mapping: &Tree) -> Vec<Problem> {
    let tree = with_preset(mapping);
    let mut comparison = Comparison {
        document,
        operations: document.operations(),
        base: tree
            .get("base")
            .and_then(Tree::text)
            .unwrap_or_default()
            .to_owned(),
        shared: tree.get("headers").map(header_names).unwrap_or_default(),
        problems: Vec::new(),
    };
    for role in RoleName::ALL {
        if let Some(step) = tree.get(role.name()) {
            comparison.step(role.name(), step, Some(role));
        }
    }
    for moment in Moment::ALL {
        for entry in tree
            .get(moment.name())
            .map(Tree::entries)
            .unwrap_or_default()
        {
            let at = format!("{}.{}", moment.name(), entry.key.name);
            comparison.step(&at, &entry.value, None);
        }
    }
    let mut problems = comparison.problems;
    problems.sort_by_key(|problem| problem.span.start);
    problems
}

/// A comparison so far.
struct Comparison<'d> {
    document: &'d Document,
    operations: Vec<Operation<'d>>,
    base: String,
    /// Headers that every request has: names in lower case, with their values.
    shared: Vec<(String, String)>,
    problems: Vec<Problem>,
}

/// One step of the mapping, and the operation that it asks.
struct Step<'s, 'd> {
    at: &'s str,
    tree: &'s Tree,
    /// Where the call is.
    span: Range<usize>,
    operation: &'s Operation<'d>,
}

impl Comparison<'_> {
    fn report(&mut self, span: &Range<usize>, message: String, expected: String, help: String) {
        self.problems.push(Problem {
            message,
            expected,
            help,
            span: span.clone(),
        });
    }

    fn step(&mut self, at: &str, tree: &Tree, role: Option<RoleName>) {
        let Some(call) = tree.get("call") else {
            return; // A role that is left out.
        };
        let operations = std::mem::take(&mut self.operations);
        if let Some(operation) = self.operation(at, call, &operations) {
            let step = Step {
                at,
                tree,
                span: call.span.clone(),
                operation,
            };
            self.parameters(&step, call.text().unwrap_or_default());
            self.credentials(&step);
            self.body(&step);
            self.statuses(&step);
            self.pointers(&step, role);
        }
        self.operations = operations;
        if let Some(poll) = tree.get("poll") {
            self.step(&format!("{at}.poll"), poll, None);
        }
    }

    /// Finds the operation of a call, or reports that there is none.
    fn operation<'o, 'd>(
        &mut self,
        at: &str,
        call: &Tree,
        operations: &'o [Operation<'d>],
    ) -> Option<&'o Operation<'d>> {
        let (method, path) = call.text()?.split_once(' ')?;
        let path = path.trim().split('?').next().unwrap_or_default();
        let full = format!("{}{path}", self.base);
        let fitting = operations
            .iter()
            .filter_map(|one| Some((fit(one, &full)?, one)));
        let fitting: Vec<_> = fitting.collect();
        let best = fitting.iter().map(|(literal, _)| *literal).max();
        let same_path: Vec<_> = fitting
            .iter()
            .filter(|(literal, _)| Some(*literal) == best)
            .map(|(_, one)| *one)
            .collect();
        if let Some(found) = same_path.iter().find(|one| one.method == method) {
            return Some(*found);
        }
        let message =
            format!("`{at}.call` asks `{method} {full}`, which the OpenAPI document does not have");
        if let Some(other) = same_path.first() {
            let methods: Vec<_> = same_path.iter().map(|one| one.method.as_str()).collect();
            let help = format!("write `{} {path}`", other.method);
            self.report(&call.span, message, one_of(&methods), help);
            return None;
        }
        let near = nearest_paths(&full, operations);
        let help = match near.first() {
            Some((likeness, path)) if *likeness >= 0.8 => format!("did you mean `{path}`?"),
            _ => "compare the path with the document; `base` is put in front of it".to_owned(),
        };
        let near: Vec<_> = near
            .iter()
            .take(LISTED_MAX)
            .map(|(_, path)| path.as_str())
            .collect();
        self.report(&call.span, message, one_of(&near), help);
        None
    }

    /// Checks the statuses of the rows, and the pointers in their conditions.
    fn statuses(&mut self, step: &Step<'_, '_>) {
        let (at, shown) = (step.at, shown(step.operation));
        let responses = &step.operation.responses;
        let Some(Tree {
            node: Node::List(rows),
            ..
        }) = step.tree.get("means")
        else {
            return;
        };
        let documented: Vec<_> = responses.iter().map(|(status, _)| *status).collect();
        for (place, row) in rows.iter().enumerate() {
            let mut answers: Vec<&Answer<'_>> = Vec::new();
            match row.get("status") {
                Some(status) => {
                    let list = match &status.node {
                        Node::List(list) => list.as_slice(),
                        _ => std::slice::from_ref(status),
                    };
                    for one in list {
                        let found = of_status(responses, one);
                        if found.is_empty() && !documented.is_empty() {
                            let written = one.to_inline();
                            let message = format!(
                                "`{at}.means[{place}].status` is {written}, which `{shown}` does not document"
                            );
                            let help = "add the response to the document, or correct the row";
                            self.report(&one.span, message, one_of(&documented), help.to_owned());
                        }
                        answers.extend(found);
                    }
                }
                None => answers.extend(responses.iter().map(|(_, answer)| answer)),
            }
            if answers.is_empty() {
                continue;
            }
            for entry in row.entries() {
                let name = format!("{at}.means[{place}]");
                if entry.key.name.starts_with('/') && !says_absent(&entry.value) {
                    self.pointer(&name, &entry.key.name, &place_of(entry), &answers, &shown);
                }
                for (pointer, span) in compared_with(&entry.value) {
                    self.pointer(&name, pointer, &span, &answers, &shown);
                }
            }
        }
    }

    /// Checks the pointers of `keep`, `each`, `free`, `held`, `prefer` and `poll_after`.
    fn pointers(&mut self, step: &Step<'_, '_>, role: Option<RoleName>) {
        let (at, shown) = (step.at, shown(step.operation));
        let answers: Vec<_> = step
            .operation
            .responses
            .iter()
            .map(|(_, answer)| answer)
            .collect();
        if answers.is_empty() {
            return;
        }
        let element = match role {
            Some(RoleName::ShowList) => Some("show"),
            Some(RoleName::SeatList) => Some("seat"),
            _ => None,
        };
        let each = step
            .tree
            .get("each")
            .and_then(|tree| Some((tree.text()?, tree.span.clone())));
        let mut has_list = true;
        if let Some((each, span)) = &each {
            has_list = self.pointer(&format!("{at}.each"), each, span, &answers, &shown);
        }
        // Without the list, every pointer into its elements would be reported, too.
        let each = each.map(|(each, _)| each).filter(|_| has_list);
        for entry in step.tree.get("keep").map(Tree::entries).unwrap_or_default() {
            let Some(pointer) = entry.value.text().filter(|text| text.starts_with('/')) else {
                continue; // A header or a cookie.
            };
            let name = format!("{at}.keep.{}", entry.key.name);
            if element == Some(entry.key.name.as_str()) {
                if let Some(each) = each {
                    self.within(&name, (each, pointer), &entry.value.span, &answers, &shown);
                }
            } else {
                self.pointer(&name, pointer, &entry.value.span, &answers, &shown);
            }
        }
        if let Some(each) = each {
            for key in ["free", "held", "prefer"] {
                for entry in step.tree.get(key).map(Tree::entries).unwrap_or_default() {
                    let name = format!("{at}.{key}");
                    self.within(
                        &name,
                        (each, &entry.key.name),
                        &place_of(entry),
                        &answers,
                        &shown,
                    );
                }
            }
        }
        if let Some(after) = step.tree.get("poll_after") {
            let from = after.get("from").unwrap_or(after);
            if let Some(pointer) = from.text().filter(|text| text.starts_with('/')) {
                self.pointer(
                    &format!("{at}.poll_after"),
                    pointer,
                    &from.span,
                    &answers,
                    &shown,
                );
            }
        }
    }

    fn within(
        &mut self,
        at: &str,
        (each, pointer): (&str, &str),
        span: &Range<usize>,
        answers: &[&Answer<'_>],
        shown: &str,
    ) {
        self.pointer(at, &format!("{each}{pointer}"), span, answers, shown);
    }

    /// Reports a pointer that none of these responses has. Returns whether one has it.
    fn pointer(
        &mut self,
        at: &str,
        pointer: &str,
        span: &Range<usize>,
        answers: &[&Answer<'_>],
        shown: &str,
    ) -> bool {
        let schemas: Vec<&Value> = answers.iter().filter_map(|answer| answer.json).collect();
        let mut known = BTreeSet::new();
        for schema in &schemas {
            match self.document.reach(schema, pointer) {
                Reach::There => return true,
                Reach::Missing(names) => known.extend(names),
            }
        }
        let message = format!(
            "`{at}` has the pointer \"{pointer}\", which no such response of `{shown}` has"
        );
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        let (expected, help) = if schemas.is_empty() {
            (
                "a response with JSON".to_owned(),
                "the document describes none: add its schema".to_owned(),
            )
        } else if known.is_empty() {
            (
                "the pointer to a single value".to_owned(),
                "compare it with the schema of the response".to_owned(),
            )
        } else {
            let last = pointer
                .rsplit('/')
                .find(|segment| *segment != "*")
                .unwrap_or_default();
            let near = nearest(last, &known).filter(|near| *near != last);
            let help = near.map_or_else(
                || "compare it with the schema of the response".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            (one_of(&known), help)
        };
        self.report(span, message, expected, help);
        false
    }
}
