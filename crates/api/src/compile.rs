//! Turns what is written into a mapping, or says everything that is wrong with it.

mod host;
mod list;
mod pick;
mod push;
mod queue;
mod role;
mod rows;
mod sign;
mod socket;

use std::collections::BTreeSet;

use tiketi_core::names::Named;

use crate::mapping::{Mapping, Moment, Places, RoleName, Tokens};
use crate::problem::{At, Problem, Problems, one_of};
use crate::push::Push;
use crate::row::Meaning;
use crate::table::Table;
use crate::template::{Broken, Escape, Template, Variable};
use crate::tree::{Node, Tree};
use role::Context;

/// Today's contract of a TIKETI deployment, in the language of mappings.
pub const TIKETI: &str = include_str!("presets/tiketi.toml");

/// Names of mappings that come with the program.
pub const PRESETS: [&str; 1] = ["tiketi"];

/// Most variables that are kept from responses. Each buyer stores them while the visit lasts.
const KEPT_MAX: usize = 32;

/// Returns a mapping that comes with the program; `None` if none has this name.
pub fn preset(name: &str) -> Option<Tree> {
    (name == PRESETS[0]).then(|| {
        let table = toml::de::DeTable::parse(TIKETI).expect("a test reads the preset");
        Tree::from_table(table.get_ref(), 0..0).without_places()
    })
}

/// Returns the mapping of a TIKETI deployment.
pub fn tiketi() -> Mapping {
    let tree = preset(PRESETS[0]).expect("it is one of the presets");
    compile(&tree).expect("a test compiles the preset")
}

/// Compiles a mapping.
///
/// # Errors
///
/// Every problem of the mapping, in the order of its text.
pub fn compile(tree: &Tree) -> Result<Mapping, Vec<Problem>> {
    let mut problems = Problems::default();
    let mapping = merged(tree, &mut problems).and_then(|tree| read(&tree, &mut problems));
    match mapping {
        Some(mapping) if problems.is_empty() => Ok(mapping),
        _ => {
            let mut list = problems.into_list();
            list.sort_by_key(|problem| problem.span.start);
            assert!(!list.is_empty(), "a mapping was rejected without a reason");
            Err(list)
        }
    }
}

/// Returns the mapping with what it takes over from the preset that it names.
pub fn with_preset(tree: &Tree) -> Tree {
    merged(tree, &mut Problems::default()).unwrap_or_else(|| tree.clone())
}

/// The mapping over the preset that it names.
fn merged(tree: &Tree, problems: &mut Problems) -> Option<Tree> {
    let at = At {
        path: String::new(),
        span: tree.span.clone(),
    };
    let mut table = Table::open(at, tree, problems)?;
    let Some((at, name)) = table.text("preset", &one_of(&PRESETS), problems) else {
        return Some(tree.clone());
    };
    let Some(base) = preset(name) else {
        problems.unknown(&at, "preset", name, &PRESETS);
        return None;
    };
    Some(tree.clone().over(&base))
}

fn read(tree: &Tree, problems: &mut Problems) -> Option<Mapping> {
    let at = At {
        path: String::new(),
        span: tree.span.clone(),
    };
    let mut table = Table::open(at, tree, problems)?;
    let _preset = table.find("preset");
    let name = table.text("name", "a name and a version", problems);
    let name = name.map_or_else(|| "unnamed".to_owned(), |(_, name)| name.to_owned());
    let _openapi = table.text("openapi", "the path of an OpenAPI document", problems);
    let base = base(&mut table, problems);
    let (kept, columns) = variables(tree);
    if kept.len() > KEPT_MAX {
        let message = format!("{} variables are kept", kept.len());
        let expected = format!("at most {KEPT_MAX}");
        problems.report(
            &table.at,
            message,
            expected,
            "keep only what a request names",
        );
    }
    let hosts = table
        .find("hosts")
        .map_or_else(Vec::new, |(at, tree)| host::hosts(at, tree, problems));
    let context = Context {
        base,
        kept: &kept,
        columns: &columns,
        hosts: &hosts,
        headers: table.find("headers"),
        call: None,
        message: None,
    };
    let mut push = push::push(&mut table, &context, problems);
    let tokens = table.find("tokens");
    let tokens = tokens.map_or_else(
        || Some(Tokens::default()),
        |(at, tree)| read_tokens(at, tree, &context, problems),
    );
    let mut roles = Vec::new();
    let mut places = Places::default();
    for &role in RoleName::VALUES {
        let Some((at, tree)) = table.find(role.name()) else {
            continue;
        };
        if tree.text() == Some("none") {
            continue; // Leaves out a role of the preset.
        }
        if let Some(read) = role::role(at, tree, role::Kind::Role(role), &context, problems) {
            places.named[role as usize] = Some(roles.len());
            roles.push(read);
        }
    }
    for &moment in Moment::VALUES {
        let Some((at, tree)) = table.find(moment.name()) else {
            continue;
        };
        let Some(steps) = Table::open(at, tree, problems) else {
            continue;
        };
        for (at, entry) in steps.lines() {
            let read = role::role(at, &entry.value, role::Kind::Extra, &context, problems);
            if let Some(read) = read {
                places.extra[moment as usize].push(roles.len());
                roles.push(read);
            }
        }
    }
    let sign = table.find("sign");
    let sign = sign.map(|(at, tree)| {
        let stream = push.as_mut().and_then(|(_, stream)| stream.as_mut());
        let mut signed: Vec<_> = roles.iter_mut().collect();
        signed.extend(stream.map(|stream| &mut stream.role));
        sign::sign(at, tree, &context, signed, problems)
    });
    let at = table.at.clone();
    table.finish(problems);
    let (push, stream) = push?;
    let mapping = Mapping {
        name,
        push,
        stream,
        tokens: tokens?,
        hosts,
        sign: sign.flatten(),
        columns,
        kept,
        roles,
        places,
    };
    if problems.is_empty() {
        check_sale(&mapping, &at, problems);
    }
    Some(mapping)
}

fn base(table: &mut Table<'_>, problems: &mut Problems) -> String {
    const EXPECTED: &str = "a path such as \"/v2\"";
    let Some((at, base)) = table.text("base", EXPECTED, problems) else {
        return String::new();
    };
    let is_path = base.is_empty() || base.starts_with('/');
    if !is_path || base.ends_with('/') || base.contains(['?', '#', '{', ' ']) {
        let message = format!("`{}` is \"{base}\"", at.path);
        let help = "it begins with a slash and does not end with one";
        problems.report(&at, message, EXPECTED, help);
    }
    base.to_owned()
}

/// The names of variables that some role keeps, and of the columns that some template names.
fn variables(tree: &Tree) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut columns) = (BTreeSet::new(), BTreeSet::new());
    collect(tree, &mut kept, &mut columns);
    let builtin = |name: &String| role::builtin(name).is_some();
    kept.retain(|name| !builtin(name));
    (kept.into_iter().collect(), columns.into_iter().collect())
}

fn collect(tree: &Tree, kept: &mut BTreeSet<String>, columns: &mut BTreeSet<String>) {
    match &tree.node {
        Node::Table(entries) => {
            for entry in entries {
                if ["keep", "pick"].contains(&entry.key.name.as_str()) {
                    let names = entry.value.entries().iter();
                    kept.extend(names.map(|line| line.key.name.clone()));
                }
                collect(&entry.value, kept, columns);
            }
        }
        Node::List(list) => list.iter().for_each(|one| collect(one, kept, columns)),
        Node::Text(text) => {
            let names = text.split("{user.").skip(1);
            let name = |rest: &str| {
                let name = rest.split_once('}')?.0;
                let typed = name.strip_suffix(":number").or(name.strip_suffix(":text"));
                Some(typed.unwrap_or(name).to_owned())
            };
            columns.extend(names.filter_map(name));
        }
        Node::Whole(_) | Node::Number(_) | Node::Flag(_) => {}
    }
}

fn read_tokens(
    at: At,
    tree: &Tree,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Tokens> {
    let mut table = Table::open(at, tree, problems)?;
    let mut claims = Vec::new();
    if let Some((at, tree)) = table.find("claims") {
        for (at, entry) in Table::open(at, tree, problems)?.lines() {
            let template = Template::json(&entry.value, &|name| context.variable(name));
            let template = context.accept(&at, template, problems)?;
            let is_known = |variable| matches!(variable, Variable::User | Variable::Email);
            if !template.variables().all(is_known) {
                let message = format!("`{}` names a variable that has no value yet", at.path);
                let help = "tokens are generated before the first request";
                problems.report(&at, message, "{user} or {email}", help);
            }
            if ["iat", "exp"].contains(&entry.key.name.as_str()) {
                let message = format!("`{}` is set by the program", at.path);
                let expected = "other claims than `iat` and `exp`";
                problems.report(&at, message, expected, "remove it");
            }
            claims.push((entry.key.name.clone(), template));
        }
    }
    let user = table.text("user", "a JSON pointer such as \"/sub\"", problems);
    let user = user.map(|(at, pointer)| {
        role::check_pointer(&at, pointer, problems);
        pointer.to_owned()
    });
    table.finish(problems);
    Some(Tokens { claims, user })
}

/// Checks what a sale needs as a whole.
fn check_sale(mapping: &Mapping, at: &At, problems: &mut Problems) {
    if mapping.place(RoleName::Payment).is_none() && mapping.place(RoleName::Confirm).is_none() {
        let message = "the mapping has no payment";
        let help = "without one, no ticket would ever be sold: say which request completes a sale";
        problems.report(at, message, "`[payment]` or `[confirm]`", help);
    }
    let stream = mapping.stream.as_deref();
    if stream.is_some_and(|stream| stream.is_early) && mapping.place(RoleName::QueueEnter).is_none()
    {
        let message = "the push channel opens before the queue, which no request enters";
        let help = "without it, to open the channel is to enter the queue: leave `opens` out";
        problems.report(at, message, "`[queue_enter]`", help);
    }
    let queues = mapping.role(RoleName::QueueEnter).is_some_and(|role| {
        let mut meanings = role.rows.iter().map(|row| row.meaning);
        meanings.any(|meaning| meaning == Meaning::Queued)
    });
    let is_told = match stream {
        Some(stream) => stream.admits(),
        None => mapping.push == Push::SocketIo,
    };
    if queues && mapping.place(RoleName::QueueStatus).is_none() && !is_told {
        let message =
            "`queue_enter` can mean \"queued\", but nothing tells a buyer of an admission";
        let help = "say how a waiting buyer asks for its place";
        problems.report(at, message, "`[queue_status]`, or a `push`", help);
    }
    for variable in mapping.unset() {
        let name = mapping.variable_name(variable);
        let message = format!("a request names {{{name}}}, and no response gives it a value");
        let expected = format!("`keep = {{ {name} = … }}` in a role before it");
        problems.report(at, message, expected, "say where its value is");
    }
}

impl Mapping {
    /// The variables that requests name and nothing ever sets.
    fn unset(&self) -> Vec<Variable> {
        let named = [Variable::Reservation, Variable::Seat];
        let mut unset: Vec<_> = named
            .into_iter()
            .filter(|variable| self.uses(*variable) && !self.keeps(*variable))
            .collect();
        if self.keeps_element(RoleName::SeatList) {
            unset.retain(|variable| *variable != Variable::Seat);
        }
        unset
    }

    fn keeps_element(&self, role: RoleName) -> bool {
        self.role(role)
            .is_some_and(|role| role.element_id.is_some())
    }

    /// Returns the name that templates use for a variable.
    pub fn variable_name(&self, variable: Variable) -> String {
        match variable {
            Variable::Show => "show".to_owned(),
            Variable::Seat => "seat".to_owned(),
            Variable::Reservation => "reservation".to_owned(),
            Variable::User => "user".to_owned(),
            Variable::Email => "email".to_owned(),
            Variable::Token => "token".to_owned(),
            Variable::Column(place) => format!("user.{}", self.columns[usize::from(place)]),
            Variable::Kept(place) => self.kept[usize::from(place)].clone(),
        }
    }
}

/// Says what is wrong with a template.
fn report_broken(at: &At, broken: Broken, known: &[&str], problems: &mut Problems) {
    match broken {
        Broken::Brace => {
            let message = format!("`{}` has a brace without its partner", at.path);
            let help = "write `{{` and `}}` for braces that are no variable";
            problems.report(at, message, "variables such as {show}", help);
        }
        Broken::Unknown(name) => problems.unknown(at, "variable", &name, known),
    }
}

/// Reads a template of a path or a header.
fn text_template(
    at: &At,
    text: &str,
    escape: Escape,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Template> {
    let template = Template::parse(text, escape, &|name| context.variable(name));
    context.accept(at, template, problems)
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
