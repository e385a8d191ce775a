//! `[push]`: the channel on which a back end sends messages.

use tiketi_core::names::Named;

use super::role::{Context, Kind, MessageKind, role_in, slot};
use super::socket;
use crate::mapping::{Method, Role};
use crate::problem::{At, Problems, one_of};
use crate::push::{Push, SocketIo, Stream, TIMEOUT, TIMEOUT_MAX};
use crate::row::Condition;
use crate::sign::length;
use crate::table::{Table, named};
use crate::template::{Escape, Template};
use crate::tree::{Node, Tree};

/// Most messages that are sent when a channel opens.
const SENT_MAX: usize = 8;

/// Reads `push`: the name of a channel that needs no more words, or a table.
pub(super) fn push(
    table: &mut Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<(Push, Option<Box<Stream>>)> {
    let Some((at, tree)) = table.find("push") else {
        return Some((Push::None, None));
    };
    let all: Vec<_> = Push::VALUES.iter().map(|one| (one.name(), *one)).collect();
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    if let Some(text) = tree.text() {
        let push = named(&at, text, &all, problems)?;
        return match push {
            Push::None | Push::SocketIo => Some((push, None)),
            Push::Sse | Push::WebSocket | Push::LongPoll => {
                let message = format!("`{}` does not say how the channel is opened", at.path);
                let expected = format!("a table `[push]` with `channel = \"{text}\"`");
                let help = "add `call`, and rows in `means` that say what a message means";
                problems.report(&at, message, expected, help);
                None
            }
        };
    }
    if !matches!(tree.node, Node::Table(_)) {
        let expected = format!("{}, or a table with `channel`", one_of(&names));
        problems.reject(&at, tree, &expected, "name the channel");
        return None;
    }
    let mut inner = Table::open(at, tree, problems)?;
    let Some((at, channel)) = inner.text("channel", &one_of(&names), problems) else {
        if inner.find("channel").is_none() {
            let message = format!("`channel` is missing in `{}`", inner.at.path);
            problems.report(&inner.at, message, one_of(&names), "name the channel");
        }
        return None;
    };
    let push = named(&at, channel, &all, problems)?;
    let is_alone = inner.lines().count() == 1;
    let stream = match push {
        Push::None => None,
        // The messages are those of TIKETI.
        Push::SocketIo if is_alone => None,
        Push::SocketIo | Push::Sse | Push::WebSocket | Push::LongPoll => {
            Some(stream(&mut inner, push, context, problems))
        }
    };
    inner.finish(problems);
    match stream {
        None => Some((push, None)),
        Some(stream) => Some((push, Some(Box::new(stream?)))),
    }
}

/// Reads how a channel is opened, and what its messages mean.
fn stream(
    table: &mut Table<'_>,
    push: Push,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Stream> {
    let context = Context {
        base: context.base.clone(),
        headers: context.headers.clone(),
        call: (push == Push::SocketIo).then_some(socket::CALL),
        message: Some(kind(table, push, problems)),
        ..*context
    };
    let role = role_in(table, Kind::Push, &context, problems);
    let send = table.find("send");
    let mut answers = None;
    let send = send.map_or(Some(Vec::new()), |(at, tree)| match push {
        Push::SocketIo => {
            let (send, named) = socket::emissions(&at, tree, &context, problems)?;
            answers = Some(named);
            Some(send)
        }
        Push::WebSocket | Push::Sse | Push::LongPoll | Push::None => {
            sent(&at, tree, push, &context, problems)
        }
    });
    let socket = match push {
        Push::SocketIo => socket::socket(table, &context, problems).map(Some),
        Push::WebSocket | Push::Sse | Push::LongPoll | Push::None => Some(None),
    };
    let recipient = table.find("recipient");
    let is_early = is_early(table, problems);
    let timeout = timeout(table, push, problems);
    let mut role = role?;
    check(&table.at, push, &role, problems);
    if push == Push::SocketIo {
        role.path = role.path.with_query(socket::TRANSPORT);
    }
    let recipient = match recipient {
        Some((at, tree)) => Some(self::recipient(at, tree, &context, &mut role, problems)?),
        None => None,
    };
    Some(Stream {
        role,
        send: send?,
        is_early: is_early?,
        socket: socket?.map(|socket| {
            Box::new(SocketIo {
                answers: answers.unwrap_or_default(),
                ..socket
            })
        }),
        timeout,
        recipient,
    })
}

/// Where a message says of which kind it is: in its name, if it has one and nothing else is said.
fn kind<'t>(table: &mut Table<'t>, push: Push, problems: &mut Problems) -> MessageKind<'t> {
    const EXPECTED: &str = "a JSON pointer such as \"/type\", or \"event\" for the name that messages of SSE and Socket.IO have";
    let has_name = matches!(push, Push::Sse | Push::SocketIo);
    let by_default = if has_name {
        MessageKind::Event
    } else {
        MessageKind::Nowhere
    };
    match table.text("kind", EXPECTED, problems) {
        None => by_default,
        Some((_, "event")) if has_name => MessageKind::Event,
        Some((_, pointer)) if pointer.starts_with('/') => MessageKind::Json(pointer),
        Some((at, text)) => {
            let message = format!("`{}` is \"{text}\"", at.path);
            problems.report(&at, message, EXPECTED, "say where a message has its kind");
            by_default
        }
    }
}

/// What is sent when the channel opens: texts, or JSON.
fn sent(
    at: &At,
    tree: &Tree,
    push: Push,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Vec<Template>> {
    let Node::List(list) = &tree.node else {
        let expected = "a list of messages, such as [{ type = \"subscribe\", show = \"{show}\" }]";
        problems.reject(at, tree, expected, "write it in brackets");
        return None;
    };
    if push != Push::WebSocket {
        let message = format!("`{}` cannot be sent over \"{}\"", at.path, push.name());
        let help = "put it into the request that opens the channel";
        problems.report(
            at,
            message,
            "`send` only with a WebSocket or Socket.IO",
            help,
        );
        return None;
    }
    if !are_few(at, list, problems) {
        return None;
    }
    let templates = list.iter().enumerate().map(|(place, tree)| {
        let at = at.element(place, tree);
        let template = match tree.text() {
            Some(text) => Template::parse(text, Escape::None, &|name| context.variable(name)),
            None => Template::json(tree, &|name| context.variable(name)),
        };
        context.accept(&at, template, problems)
    });
    templates.collect()
}

/// Reports a list of more messages than are sent at once.
pub(super) fn are_few(at: &At, list: &[Tree], problems: &mut Problems) -> bool {
    let are_few = list.len() <= SENT_MAX;
    if !are_few {
        let message = format!("`{}` has {} messages", at.path, list.len());
        let expected = format!("at most {SENT_MAX}");
        problems.report(at, message, expected, "leave some out");
    }
    are_few
}

/// Where a message names its buyer.
fn recipient(
    at: At,
    tree: &Tree,
    context: &Context<'_>,
    role: &mut Role,
    problems: &mut Problems,
) -> Option<(u8, crate::template::Variable)> {
    const EXPECTED: &str = "one pointer and one variable, such as { \"/userId\" = \"{user}\" }";
    let table = Table::open(at, tree, problems)?;
    let mut lines = table.lines();
    let (Some((at, entry)), None) = (lines.next(), lines.next()) else {
        problems.reject(&table.at, tree, EXPECTED, "a message is for one buyer");
        return None;
    };
    let name = entry.value.text();
    let name = name.and_then(|text| text.strip_prefix('{')?.strip_suffix('}'));
    let Some(name) = name else {
        problems.reject(&at, &entry.value, "a variable such as \"{user}\"", EXPECTED);
        return None;
    };
    let variable = context.known(&at, name, problems)?;
    let slot = slot(&at, &entry.key.name, &mut role.pointers, problems)?;
    Some((slot, variable))
}

/// When it is opened.
fn is_early(table: &mut Table<'_>, problems: &mut Problems) -> Option<bool> {
    const TIMES: [(&str, bool); 2] = [("in-queue", false), ("before-queue", true)];
    let names = TIMES.map(|(name, _)| name);
    match table.text("opens", &one_of(&names), problems) {
        Some((at, text)) => named(&at, text, &TIMES, problems),
        None => table.find("opens").is_none().then_some(false),
    }
}

fn timeout(table: &mut Table<'_>, push: Push, problems: &mut Problems) -> std::time::Duration {
    let by_default = match push {
        // The server says itself how often it pings.
        Push::SocketIo => TIMEOUT_MAX,
        Push::None | Push::Sse | Push::WebSocket | Push::LongPoll => TIMEOUT,
    };
    let Some((at, tree)) = table.find("timeout") else {
        return by_default;
    };
    let found = tree.text().and_then(|text| length(text, TIMEOUT_MAX));
    if found.is_none() {
        let expected = format!(
            "a length such as \"25s\" or \"500ms\", up to {} s",
            TIMEOUT_MAX.as_secs()
        );
        let help = "after so long without a word, the channel is opened again";
        problems.reject(&at, tree, &expected, help);
    }
    found.unwrap_or(by_default)
}

/// Reports what this channel cannot have.
fn check(at: &At, push: Push, role: &Role, problems: &mut Problems) {
    let is_socket = matches!(push, Push::WebSocket | Push::SocketIo);
    if is_socket && (role.method != Method::Get || !role.body.is_empty()) {
        let message = format!(
            "`{}` opens a WebSocket with another request than GET",
            at.path
        );
        let help = "what is sent after that belongs to `send`; the payload of Socket.IO's connect packet to `auth`";
        problems.report(at, message, "`call = \"GET /…\"` without a body", help);
    }
    let is_set = |name: &str| role.path.contains(name);
    if push == Push::SocketIo && (is_set("EIO=") || is_set("transport=")) {
        let message = format!("the query of `{}` has `EIO` or `transport`", at.path);
        let help = "buyers speak Engine.IO 4 over a WebSocket";
        problems.report(at, message, "a query without them: they are added", help);
    }
    if push == Push::LongPoll {
        return;
    }
    let mut conditions = role.rows.iter().flat_map(|row| &row.conditions);
    let is_of_response =
        |one: &Condition| matches!(one, Condition::Status(_) | Condition::Header(..));
    if conditions.any(is_of_response) {
        let message = format!("a row in `{}.means` looks at a status or a header", at.path);
        let help = "only the responses to long polls have them";
        problems.report(at, message, "`kind`, `text` or a JSON pointer", help);
    }
}
