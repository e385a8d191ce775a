//! One role or extra step: its request, and what is done with its responses.

use tiketi_core::names::Named;

use super::host::host;
use super::list::{list, shared, title};
use super::pick::pick;
use super::queue::{place, poll_after};
use super::rows::{rows, wants};
use super::{report_broken, text_template};
use crate::host::Host;
use crate::mapping::{Header, Keep, Method, Role, RoleName};
use crate::problem::{At, Problems};
use crate::reader::{Pointers, SLOTS_MAX, segments};
use crate::row::Meaning;
use crate::table::{Table, named};
use crate::template::{Broken, Escape, Template, Variable};
use crate::tree::{Node, Tree};
use crate::wait::Source;

/// What all roles share.
pub(super) struct Context<'c> {
    pub(super) base: String,
    pub(super) kept: &'c [String],
    pub(super) columns: &'c [String],
    pub(super) hosts: &'c [Host],
    pub(super) headers: Option<(At, &'c Tree)>,
    /// The request if none is written; `None` if it has to be.
    pub(super) call: Option<&'static str>,
    /// What a row's `kind` looks at; `None` where responses are read.
    pub(super) message: Option<MessageKind<'c>>,
}

/// Where a message says of which kind it is.
#[derive(Clone, Copy)]
pub(super) enum MessageKind<'c> {
    /// In its name.
    Event,
    /// In its body, at this pointer.
    Json(&'c str),
    /// Nowhere.
    Nowhere,
}

/// What a table describes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A role.
    Role(RoleName),
    /// The request that asks for the result of a role.
    Poll(RoleName),
    /// An extra step.
    Extra,
    /// The request that opens the channel of messages.
    Push,
}

/// A variable that every mapping has.
pub(super) fn builtin(name: &str) -> Option<Variable> {
    Some(match name {
        "show" => Variable::Show,
        "seat" => Variable::Seat,
        "reservation" => Variable::Reservation,
        "user" => Variable::User,
        "email" => Variable::Email,
        "token" => Variable::Token,
        _ => return None,
    })
}

impl Context<'_> {
    pub(super) fn variable(&self, name: &str) -> Option<Variable> {
        let place = |list: &[String], name: &str| {
            let place = list.iter().position(|one| one == name)?;
            u8::try_from(place).ok()
        };
        builtin(name)
            .or_else(|| place(self.columns, name.strip_prefix("user.")?).map(Variable::Column))
            .or_else(|| place(self.kept, name).map(Variable::Kept))
    }

    /// Returns a template that could be read; reports one that could not.
    pub(super) fn accept(
        &self,
        at: &At,
        template: Result<Template, Broken>,
        problems: &mut Problems,
    ) -> Option<Template> {
        template
            .map_err(|broken| {
                report_broken(at, broken, &self.names(), problems);
            })
            .ok()
    }

    /// Returns the variable with this name; reports a name that there is not.
    pub(super) fn known(&self, at: &At, name: &str, problems: &mut Problems) -> Option<Variable> {
        let variable = self.variable(name);
        if variable.is_none() {
            problems.unknown(at, "variable", name, &self.names());
        }
        variable
    }

    fn names(&self) -> Vec<&str> {
        let builtin = ["show", "seat", "reservation", "user", "email", "token"];
        let kept = self.kept.iter().map(String::as_str);
        builtin.into_iter().chain(kept).collect()
    }
}

impl Kind {
    /// What the responses can mean.
    pub(super) fn meanings(self) -> &'static [Meaning] {
        use Meaning::{
            AcceptedPollLater, Admitted, ComeBack, Done, Dropped, Held, NoLongerQueued, Paid,
            Queued, Refused, Released, SoldOut, Taken, Updated,
        };
        let name = match self {
            Self::Role(name) | Self::Poll(name) => name,
            Self::Extra => return &[Done, Refused, SoldOut, ComeBack],
            Self::Push => {
                return &[
                    Admitted, Queued, Updated, Dropped, SoldOut, Taken, Released, Done,
                ];
            }
        };
        match name {
            RoleName::Register
            | RoleName::Login
            | RoleName::Setup
            | RoleName::ShowList
            | RoleName::ShowDetail
            | RoleName::Heartbeat
            | RoleName::QueueLeave
            | RoleName::Cancel => &[Done, Refused, ComeBack],
            RoleName::QueueEnter => &[
                Queued,
                Admitted,
                AcceptedPollLater,
                SoldOut,
                Refused,
                ComeBack,
            ],
            RoleName::QueueStatus => &[
                Queued,
                Admitted,
                NoLongerQueued,
                Dropped,
                SoldOut,
                Refused,
                ComeBack,
            ],
            RoleName::SeatList => &[Done, SoldOut, Refused, ComeBack],
            RoleName::SeatReserve => &[
                Held,
                Taken,
                SoldOut,
                AcceptedPollLater,
                Dropped,
                Refused,
                ComeBack,
            ],
            RoleName::Payment => &[Paid, Done, AcceptedPollLater, Refused, ComeBack],
            RoleName::Confirm => &[Paid, AcceptedPollLater, Refused, ComeBack],
        }
    }

    /// The role whose responses are lists of what is sold; with the variable that names one of them.
    pub(super) fn element(self) -> Option<(&'static str, Variable)> {
        match self {
            Self::Role(RoleName::ShowList) => Some(("show", Variable::Show)),
            Self::Role(RoleName::SeatList) => Some(("seat", Variable::Seat)),
            Self::Role(_) | Self::Poll(_) | Self::Extra | Self::Push => None,
        }
    }
}

/// Reads a role.
pub(super) fn role(
    at: At,
    tree: &Tree,
    kind: Kind,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Role> {
    let mut table = Table::open(at, tree, problems)?;
    let role = role_in(&mut table, kind, context, problems);
    table.finish(problems);
    role
}

/// Reads the keys of a role from a table that may have others.
pub(super) fn role_in(
    table: &mut Table<'_>,
    kind: Kind,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Role> {
    let name = table.at.path.clone();
    let host = host(table, context.hosts, problems);
    let call = call(table, context, problems);
    let headers = headers(table, context, problems);
    let body = table
        .find("body")
        .map_or(Some(Template::default()), |(at, tree)| {
            let body = Template::json(tree, &|name| context.variable(name));
            context.accept(&at, body, problems)
        });
    let mut pointers = Pointers::default();
    let element_id = list(table, kind, &mut pointers, problems);
    let pick = pick(table, kind, context, &mut pointers, problems);
    let keeps = keeps(table, kind, context, &mut pointers, problems);
    let (wanted, held) = match kind {
        Kind::Role(RoleName::ShowList) => ("prefer", None),
        _ => ("free", Some("held")),
    };
    let mut element = |key: &'static str, table: &mut Table<'_>, problems: &mut Problems| {
        let found = kind.element().and_then(|_| table.find(key));
        found.map_or_else(Vec::new, |(at, tree)| {
            wants(at, tree, &mut pointers, problems)
        })
    };
    let free = element(wanted, table, problems);
    let held = held.map_or_else(Vec::new, |key| element(key, table, problems));
    let each = element_id.and_then(|_| Some(table.find("each")?.1.text()?.to_owned()));
    let is_shared = shared(table, kind, problems);
    let element_title = title(table, kind, &mut pointers, problems);
    let rows = rows(table, kind, context, &mut pointers, problems);
    let poll_after = poll_after(table, &mut pointers, problems);
    let place = place(table, kind, problems);
    let waits = rows
        .iter()
        .any(|row| row.meaning == Meaning::AcceptedPollLater);
    let poll = match kind {
        Kind::Role(name) if kind.meanings().contains(&Meaning::AcceptedPollLater) => {
            let found = table.find("poll");
            if found.is_none() && waits {
                let message = format!("`{}` can mean \"accepted-poll-later\"", table.at.path);
                let help = "say which request asks for the result";
                problems.report(&table.at, message, "a table `poll` in it", help);
            }
            let poll =
                found.and_then(|(at, tree)| role(at, tree, Kind::Poll(name), context, problems));
            // The result is where the request was accepted.
            poll.map(|poll| Role {
                host: poll.host.or(host),
                ..poll
            })
        }
        Kind::Role(_) | Kind::Poll(_) | Kind::Extra | Kind::Push => None,
    };
    let (method, path) = call?;
    Some(Role {
        name,
        host,
        is_signed: false,
        method,
        path,
        headers,
        body: body?,
        each,
        is_shared,
        poll: poll.map(Box::new),
        pointers,
        rows,
        keeps,
        element_id,
        element_title,
        free,
        held,
        poll_after,
        pick,
        place,
    })
}

fn call(
    table: &mut Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<(Method, Template)> {
    const EXPECTED: &str = "a method and a path, such as \"POST /queue/{show}\"";
    let query = query(table, context, problems);
    let (at, call) = match (table.text("call", EXPECTED, problems), context.call) {
        (Some(written), _) => written,
        (None, _) if table.find("call").is_some() => return None,
        (None, Some(call)) => (table.at.clone(), call),
        (None, None) => {
            let message = format!("`call` is missing in `{}`", table.at.path);
            problems.report(&table.at, message, EXPECTED, "add a line `call = …`");
            return None;
        }
    };
    let Some((method, path)) = call.split_once(' ') else {
        let message = format!("`{}` is \"{call}\"", at.path);
        problems.report(&at, message, EXPECTED, "write the method first");
        return None;
    };
    let all: Vec<_> = Method::VALUES
        .iter()
        .map(|one| (one.name(), *one))
        .collect();
    let method = named(&at, method, &all, problems)?;
    let path = path.trim();
    // The host is checked once, before the run; no request may lead elsewhere.
    if !path.starts_with('/') || path.starts_with("//") || path.contains(['#', ' ']) {
        let message = format!("`{}` has the path \"{path}\"", at.path);
        let help = "it begins with one slash; the host is that of the target";
        problems.report(&at, message, "a path such as \"/queue/{show}\"", help);
        return None;
    }
    let separator = if path.contains('?') { "&" } else { "?" };
    let path = match query? {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}{separator}{query}"),
    };
    let path = text_template(&at, &path, Escape::Url, context, problems)?;
    Some((method, path.after(&context.base)))
}

/// The query as a template; empty if there is none.
fn query(table: &mut Table<'_>, context: &Context<'_>, problems: &mut Problems) -> Option<String> {
    let Some((at, tree)) = table.find("query") else {
        return Some(String::new());
    };
    let mut query = Vec::new();
    for (at, entry) in Table::open(at, tree, problems)?.lines() {
        let value = match &entry.value.node {
            Node::Text(text) => text.clone(),
            Node::Whole(_) | Node::Number(_) | Node::Flag(_) => entry.value.to_inline(),
            Node::List(_) | Node::Table(_) => {
                problems.reject(&at, &entry.value, "a single value", "write a text");
                return None;
            }
        };
        text_template(&at, &value, Escape::Url, context, problems)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~[]".contains(c);
        if !entry.key.name.chars().all(is_plain) {
            let message = format!("`{}` is not valid in a query", at.path);
            problems.report(&at, message, "letters, digits and -_.~[]", "encode it");
            return None;
        }
        query.push(format!("{}={value}", entry.key.name));
    }
    Some(query.join("&"))
}

/// The headers of the mapping and those of the role, which come first.
fn headers(table: &mut Table<'_>, context: &Context<'_>, problems: &mut Problems) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    let mut dropped = Vec::new();
    let own = table.find("headers").map(|found| (found, false));
    let shared = context.headers.clone().map(|found| (found, true));
    for ((at, tree), is_optional) in own.into_iter().chain(shared) {
        let Some(lines) = Table::open(at, tree, problems) else {
            continue;
        };
        for (at, entry) in lines.lines() {
            let name = entry.key.name.to_lowercase();
            let is_known = headers.iter().any(|one| one.name == name) || dropped.contains(&name);
            if is_known {
                continue;
            }
            let Some(text) = entry.value.text() else {
                problems.reject(&at, &entry.value, "a text", "write it in quotes");
                continue;
            };
            if !is_header(&name) {
                let message = format!("`{}` is not the name of a header that can be set", at.path);
                let help = "`host`, `content-length` and the like are set by the program";
                problems.report(&at, message, "a name such as `x-queue-token`", help);
                continue;
            }
            if text.is_empty() {
                dropped.push(name);
                continue;
            }
            if let Some(value) = text_template(&at, text, Escape::None, context, problems) {
                headers.push(Header {
                    name,
                    value,
                    is_optional,
                });
            }
        }
    }
    headers
}

/// Whether it can be the name of a header that a mapping sets.
fn is_header(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let reserved = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
    ];
    !name.is_empty() && name.chars().all(is_token) && !reserved.contains(&name)
}

/// Values that are kept, other than the id of an element.
fn keeps(
    table: &mut Table<'_>,
    kind: Kind,
    context: &Context<'_>,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Vec<Keep> {
    let Some((at, tree)) = table.find("keep") else {
        return Vec::new();
    };
    let Some(lines) = Table::open(at, tree, problems) else {
        return Vec::new();
    };
    let mut keeps = Vec::new();
    for (at, entry) in lines.lines() {
        let name = entry.key.name.as_str();
        if kind.element().is_some_and(|(element, _)| element == name) {
            continue;
        }
        let Some(source) = source(&at, &entry.value, pointers, problems) else {
            continue;
        };
        match context.variable(name) {
            Some(variable) if !matches!(variable, Variable::Column(_) | Variable::Email) => {
                keeps.push(Keep { variable, source });
            }
            _ => {
                let message = format!("`{}` cannot be kept", at.path);
                let help = "columns of the file of users and {email} are given";
                problems.report(&at, message, "another name", help);
            }
        }
    }
    keeps
}

/// Where a value is: `/pointer`, `header:name` or `cookie:name`.
pub(super) fn source(
    at: &At,
    tree: &Tree,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Option<Source> {
    const EXPECTED: &str = "\"/pointer\", \"header:name\" or \"cookie:name\"";
    let text = tree.text();
    if let Some(name) = text.and_then(|text| text.strip_prefix("header:")) {
        return Some(Source::Header(name.to_lowercase()));
    }
    if let Some(name) = text.and_then(|text| text.strip_prefix("cookie:")) {
        return Some(Source::Cookie(name.to_owned()));
    }
    match text.filter(|text| text.starts_with('/')) {
        Some(pointer) => slot(at, pointer, pointers, problems).map(Source::Json),
        None => {
            problems.reject(at, tree, EXPECTED, "say where the value is");
            None
        }
    }
}

/// The slot of a pointer into the response.
pub(super) fn slot(
    at: &At,
    pointer: &str,
    pointers: &mut Pointers,
    problems: &mut Problems,
) -> Option<u8> {
    if !check_pointer(at, pointer, problems) {
        return None;
    }
    let slot = pointers.add(pointer);
    if slot.is_none() {
        too_many(at, problems);
    }
    slot
}

pub(super) fn too_many(at: &At, problems: &mut Problems) {
    let message = format!("`{}` is one pointer too many", at.path);
    let expected = format!("at most {SLOTS_MAX} in a role");
    problems.report(at, message, expected, "look at fewer values");
}

/// Reports what is not a JSON pointer.
pub(super) fn check_pointer(at: &At, pointer: &str, problems: &mut Problems) -> bool {
    let is_pointer = segments(pointer).is_some();
    if !is_pointer {
        let message = format!("`{}` is \"{pointer}\"", at.path);
        let help = "a pointer begins with a slash; `*` stands for every element";
        problems.report(at, message, "a JSON pointer such as \"/data/id\"", help);
    }
    is_pointer
}
