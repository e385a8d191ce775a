//! `[push]` with `channel = "socket.io"`: the namespace, what is sent, and how messages are acknowledged.

use super::push::are_few;
use super::role::Context;
use super::text_template;
use crate::problem::{At, Problems};
use crate::push::SocketIo;
use crate::table::Table;
use crate::template::{Escape, Template};
use crate::tree::{Node, Tree};

/// Where Socket.IO is, unless the mapping says otherwise.
pub(super) const CALL: &str = "GET /socket.io/";

/// What is added to the query of each request that opens it.
pub(super) const TRANSPORT: &str = "EIO=4&transport=websocket";

const ARGUMENTS: &str = "a list of arguments, such as [{ show = \"{show}\" }]";

/// The messages that are sent, and the names under which their acknowledgements are understood.
type Emissions = (Vec<Template>, Vec<Option<String>>);

/// Reads the keys that only Socket.IO has, without `send`.
pub(super) fn socket(
    table: &mut Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<SocketIo> {
    let namespace = namespace(table, context, problems);
    let auth = match table.find("auth") {
        None => Some(Template::default()),
        Some((at, tree)) if matches!(tree.node, Node::Table(_)) => {
            json(&at, tree, context, problems)
        }
        Some((at, tree)) => {
            let expected = "a table such as { token = \"{token}\" }";
            problems.reject(
                &at,
                tree,
                expected,
                "it is the payload of the connect packet",
            );
            None
        }
    };
    let acks = acks(table, context, problems);
    Some(SocketIo {
        namespace: namespace?,
        auth: auth?,
        answers: Vec::new(),
        acks: acks?,
    })
}

/// Reads `send`.
pub(super) fn emissions(
    at: &At,
    tree: &Tree,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Emissions> {
    let Node::List(list) = &tree.node else {
        let expected =
            "a list of messages, such as [{ event = \"join\", arguments = [\"{show}\"] }]";
        problems.reject(at, tree, expected, "write it in brackets");
        return None;
    };
    if !are_few(at, list, problems) {
        return None;
    }
    let emissions = list
        .iter()
        .enumerate()
        .map(|(place, tree)| emission(&at.element(place, tree), tree, context, problems));
    let emissions: Option<Vec<_>> = emissions.collect();
    Some(emissions?.into_iter().unzip())
}

/// One message: its name and its arguments become a list, as they are sent.
fn emission(
    at: &At,
    tree: &Tree,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<(Template, Option<String>)> {
    const NAME: &str = "the name of a message, such as \"join\"";
    let mut table = Table::open(at.clone(), tree, problems)?;
    let event = table.find("event");
    let arguments = table.find("arguments");
    let ack = table.text(
        "ack",
        "a name for its acknowledgement, such as \"joined\"",
        problems,
    );
    table.finish(problems);
    let event = match event {
        Some((_, event)) if event.text().is_some() => event.clone(),
        Some((at, event)) => {
            problems.reject(&at, event, NAME, "write it in quotes");
            return None;
        }
        None => {
            let message = format!("`event` is missing in `{}`", at.path);
            problems.report(at, message, NAME, "say which message is sent");
            return None;
        }
    };
    let mut list = vec![event];
    match arguments.map(|(at, tree)| (at, &tree.node, tree)) {
        None => {}
        Some((_, Node::List(arguments), _)) => list.extend(arguments.iter().cloned()),
        Some((at, _, tree)) => {
            problems.reject(&at, tree, ARGUMENTS, "write it in brackets");
            return None;
        }
    }
    let whole = Tree {
        node: Node::List(list),
        span: tree.span.clone(),
    };
    let template = json(at, &whole, context, problems)?;
    Some((template, ack.map(|(_, name)| name.to_owned())))
}

fn namespace(
    table: &mut Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Template> {
    const EXPECTED: &str = "a name such as \"/queue\"";
    let Some((at, name)) = table.text("namespace", EXPECTED, problems) else {
        let is_missing = table.find("namespace").is_none();
        return is_missing.then(Template::default);
    };
    if name == "/" {
        return Some(Template::default());
    }
    if !name.starts_with('/') || name.contains([',', '?', ' ']) {
        let message = format!("`{}` is \"{name}\"", at.path);
        let help = "it begins with a slash; the path of the server belongs to `call`";
        problems.report(&at, message, EXPECTED, help);
        return None;
    }
    text_template(&at, name, Escape::Url, context, problems)
}

/// With which arguments messages are acknowledged.
fn acks(
    table: &mut Table<'_>,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Vec<(String, Template)>> {
    let Some((at, tree)) = table.find("acks") else {
        return Some(Vec::new());
    };
    let table = Table::open(at, tree, problems)?;
    let acks = table.lines().map(|(at, entry)| {
        if !matches!(entry.value.node, Node::List(_)) {
            let help = "messages that are not named are acknowledged without arguments";
            problems.reject(&at, &entry.value, ARGUMENTS, help);
            return None;
        }
        let arguments = json(&at, &entry.value, context, problems)?;
        Some((entry.key.name.clone(), arguments))
    });
    acks.collect()
}

fn json(at: &At, tree: &Tree, context: &Context<'_>, problems: &mut Problems) -> Option<Template> {
    let template = Template::json(tree, &|name| context.variable(name));
    context.accept(at, template, problems)
}
