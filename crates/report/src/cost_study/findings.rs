//! The findings of a cost study in sentences.

use tiketi_cost::comparison::Row;
use tiketi_cost::item::Item;
use tiketi_cost::price_book::{Basis, Currency, HOURS_PER_MONTH};
use tiketi_cost::study::{CLOUDMART_HOUR, CLOUDMART_MONTH, Hour, Month, PEAK_HOURS, TRANSFER_GB};
use tiketi_cost::{Amount, Study};

use crate::bill::basis;
use crate::number::Number;
use crate::page::{Headline, Status};
use crate::wording::listed;

/// Share of a documented amount by which a computed one may differ and still agree with it (an assumption: rounding).
const AGREES: f64 = 0.05;
/// Items that a finding names; the table has them all.
const ITEMS_TOLD: usize = 4;
/// What the S3 endpoint is documented to save per month, in won (A17: "over 40,000").
const ENDPOINT_SAVES: f64 = 40_000.0;
/// The name of the documents' own price book.
const DOCUMENTED: &str = "documented-krw";

/// Whether the documented numbers are right.
pub(super) fn headline(study: &Study) -> Headline {
    let rows = documented(study).iter();
    let wrong = rows.filter(|row| row.adds_up() == Some(false));
    let wrong: Vec<_> = wrong
        .filter_map(|row| {
            let (title, stated, parts) = (&row.title, won(row.documented), won(row.added_up?));
            Some(format!(
                "The documented \"{title}\" total is wrong: {stated} stated, its parts sum to {parts}."
            ))
        })
        .collect();
    let totals: Vec<_> = listed_books(study)
        .filter_map(|month| {
            let (stated, computed) = both(month, "all")?;
            let factor = computed.at_least() / stated;
            // A lower bound agrees with nothing.
            let agrees = computed.exact().is_some() && (factor - 1.0).abs() <= AGREES;
            let book = &month.statement.price_book;
            Some((
                agrees,
                format!(
                    "At {book} prices the month costs {}, {} the documented {}.",
                    amount(computed),
                    times(computed, stated),
                    won(stated)
                ),
            ))
        })
        .collect();
    let ok = wrong.is_empty() && totals.iter().all(|(agrees, _)| *agrees);
    let sums = if wrong.is_empty() {
        vec!["Every documented total is the sum of its parts.".to_owned()]
    } else {
        wrong
    };
    let totals = totals.into_iter().map(|(_, sentence)| sentence);
    let mut sentences = sums.into_iter().chain(totals);
    let word = if ok { "Yes" } else { "No" };
    Headline {
        status: Status::of(ok),
        answer: format!("{word}. {}", sentences.next().unwrap_or_default()),
        details: sentences.collect(),
    }
}

fn won(amount: f64) -> Number {
    Number::won(amount)
}

/// An amount in won that may be a lower bound.
const fn amount(amount: &Amount) -> Number {
    Number::amount(amount, Currency::Krw)
}

/// An amount as a multiple of a documented one: `2.4 times`. A lower bound is at least so many times as much.
fn times(amount: &Amount, documented: f64) -> String {
    let factor = Number::decimal(amount.at_least() / documented);
    format!("{} times", factor.as_sure_as(amount))
}

/// Everything that was found, the most important first.
pub(super) fn findings(study: &Study) -> Vec<String> {
    let mut told = wrong_sums(study);
    told.extend(saving_nat(study));
    told.extend(peak(study));
    for month in listed_books(study) {
        told.extend(items(month));
        told.extend(gateways(month));
        told.extend(another_zone(month));
        told.extend(nodes(month));
        told.extend(addresses(month));
        told.extend(optimized(month));
        told.extend(endpoint(month));
        told.extend(edge(month));
        told.extend(exchange(month));
        told.extend(stand_ins(month));
    }
    told.extend(study.hour.iter().flat_map(hour));
    told
}

/// The rows of the reference bill; their documented side is the same in every book.
fn documented(study: &Study) -> &[Row] {
    let first = study.months.first();
    first.map_or(&[], |month| &month.statement.documented.rows)
}

/// The month at the documents' own prices; `None` if they are not part of the study.
fn own(study: &Study) -> Option<&Month> {
    let is_own = |month: &&Month| month.statement.price_book == DOCUMENTED;
    study.months.iter().find(is_own)
}

/// The months at list prices.
fn listed_books(study: &Study) -> impl Iterator<Item = &Month> {
    study
        .months
        .iter()
        .filter(|month| month.statement.price_book != DOCUMENTED)
}

fn row<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == name)
}

/// The documented and the computed amount of a row; `None` if it was not computed.
fn both<'m>(month: &'m Month, name: &str) -> Option<(f64, &'m Amount)> {
    let row = row(&month.statement.documented.rows, name)?;
    Some((row.documented, row.computed.as_ref()?))
}

/// Documented totals that are not the sum of their parts, and which amounts are as large as the gap.
fn wrong_sums(study: &Study) -> Vec<String> {
    let rows = documented(study);
    let wrong = rows.iter().filter(|row| row.adds_up() == Some(false));
    wrong
        .filter_map(|row| {
            let gap = row.added_up? - row.documented;
            let is_gap = |amount: f64| (amount - gap.abs()).abs() < 0.5;
            let as_large = rows.iter().filter(|other| is_gap(other.documented));
            let instance = own(study).and_then(|month| month.piece(Item::Instance));
            let instance = instance.filter(|instance| is_gap(instance.won_per_month()));
            let as_large: Vec<_> = as_large
                .map(|other| other.title.as_str())
                .chain(instance.map(|_| "one instance"))
                .collect();
            let hint = if as_large.is_empty() {
                String::new()
            } else {
                format!(
                    ", the amount of {}, which may have been subtracted without being named",
                    as_large.join(" or ")
                )
            };
            let direction = if gap > 0.0 { "too low" } else { "too high" };
            Some(format!(
                "\"{}\" does not add up: {} stated, its parts sum to {}. It is {} {direction}{hint}.",
                row.title,
                won(row.documented),
                won(row.added_up?),
                won(gap.abs()),
            ))
        })
        .collect()
}

/// What the documents subtract for NAT, compared with what they say NAT costs.
fn saving_nat(study: &Study) -> Option<String> {
    let rows = documented(study);
    let (saving, nat) = (row(rows, "saving-nat")?, row(rows, "nat")?);
    let surplus = saving.documented - nat.documented;
    if surplus.abs() < 0.5 {
        return None;
    }
    let is_same = |other: &&Row| {
        other.name != saving.name && (other.documented - saving.documented).abs() < 0.5
    };
    let whole = rows
        .iter()
        .find(is_same)
        .map_or_else(String::new, |other| format!(", all of \"{}\"", other.title));
    let stays = rows
        .iter()
        .find(|other| (other.documented - surplus).abs() < 0.5);
    let stays = stays.map_or_else(String::new, |other| {
        format!("; \"{}\" is still needed without NAT", other.title)
    });
    Some(format!(
        "Removing NAT is documented to save {}{whole}, but NAT costs {}{stays}.",
        won(saving.documented),
        won(nat.documented),
    ))
}

/// The documented peak at the documents' own prices.
fn peak(study: &Study) -> Option<String> {
    let month = own(study)?;
    let (stated, computed) = both(month, "peak")?;
    let agrees = |computed: f64| (computed / stated - 1.0).abs() <= AGREES;
    let verdict = if computed.exact().is_some_and(agrees) {
        "agrees"
    } else {
        "does not agree"
    };
    Some(format!(
        "The documented peak of {} {verdict} with the documents' own instance price: the largest fleet for {PEAK_HOURS} hours \
         costs {}.",
        won(stated),
        amount(computed),
    ))
}

/// The items that differ most from list prices.
fn items(month: &Month) -> Option<String> {
    let rows = &month.statement.documented.rows;
    let items = rows
        .iter()
        .filter(|row| row.added_up.is_none() && !row.name.starts_with("saving-"));
    let mut differences: Vec<_> = items
        .filter_map(|row| Some((row, row.computed.as_ref()?.at_least() - row.documented)))
        .collect();
    let is_exact = |row: &Row| {
        row.computed
            .as_ref()
            .is_some_and(|amount| amount.exact().is_some())
    };
    let agree = differences
        .iter()
        .filter(|(row, difference)| is_exact(row) && difference.abs() <= AGREES * row.documented)
        .count();
    let all = differences.len();
    differences.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    let told: Vec<_> = differences
        .iter()
        .take(ITEMS_TOLD)
        .filter_map(|(row, _)| {
            let (computed, documented) = (amount(row.computed.as_ref()?), won(row.documented));
            Some(format!(
                "{} {computed} (documented {documented})",
                row.title
            ))
        })
        .collect();
    (!told.is_empty()).then(|| {
        format!(
            "{}: {agree} of {all} items are within {} of the documents. Largest differences: {}.",
            month.statement.price_book,
            Number::share(AGREES),
            told.join("; ")
        )
    })
}

/// How many gateways the documented amount pays for (A18), and what a single one would save (B12).
fn gateways(month: &Month) -> Option<String> {
    let (stated, _) = both(month, "nat")?;
    let gateway = month.piece(Item::NatGateway)?;
    if month.nat_gateways == 0 {
        return None;
    }
    let saved = month.saved_by_one_gateway.times(month.won_per_unit());
    let one = if month.nat_gateways > 1 {
        format!(
            " A single gateway for all zones would save {} per month, but traffic of the other zones would cross zones to reach \
             it, and stop when it fails.",
            amount(&saved)
        )
    } else {
        String::new()
    };
    Some(format!(
        "NAT: {} gateways (A18) cost {} per month before any traffic; the documented {} pay for {} of one.{one}",
        month.nat_gateways,
        won(gateway.won_per_month() * month.gateways()),
        won(stated),
        Number::decimal(stated / gateway.won_per_month()),
    ))
}

/// What another zone costs (B12: "two AZs or three?").
fn another_zone(month: &Month) -> Option<String> {
    let more = month.another_zone_costs.as_ref()?;
    let more = more.times(month.won_per_unit());
    Some(format!(
        "Another zone costs {} per month with its own NAT gateway, before instances and nodes in it (B12).",
        amount(&more)
    ))
}

/// How many nodes the documented amounts of the data tier pay for.
fn nodes(month: &Month) -> Vec<String> {
    let tiers = [
        ("database", Item::Database, "Database"),
        ("cache", Item::Cache, "Redis"),
    ];
    let told = |(name, item, title): (&str, Item, &str)| {
        let (stated, _) = both(month, name)?;
        let node = month.piece(item)?;
        Some(format!(
            "{title}: {} nodes at {} per month cost {}; the documented {} pay for {}.",
            Number::decimal(node.pieces),
            won(node.won_per_month()),
            won(node.won_per_month() * node.pieces),
            won(stated),
            Number::decimal(stated / node.won_per_month()),
        ))
    };
    tiers.into_iter().filter_map(told).collect()
}

/// Public addresses, which no documented item includes.
fn addresses(month: &Month) -> Option<String> {
    let lines = month.statement.month.lines.iter();
    let lines = lines.filter(|line| line.item == Item::PublicAddresses);
    let (mut pieces, mut amount) = (0.0, 0.0);
    for line in lines {
        pieces += line.quantity? / HOURS_PER_MONTH;
        amount += line.amount?;
    }
    (pieces > 0.0).then(|| {
        format!(
            "Public addresses: {} of them cost {} per month; no documented item includes them.",
            Number::decimal(pieces),
            won(amount * month.won_per_unit())
        )
    })
}

/// The optimized month (A23: "about 150,000 won") at the prices of a book.
fn optimized(month: &Month) -> Option<String> {
    let (stated, computed) = both(month, "optimized")?;
    Some(format!(
        "Optimized (no NAT, smallest fleet reserved), the month costs {} at these prices, {} the documented {}. Without NAT, \
         nothing in the private subnets reaches the internet.",
        amount(computed),
        times(computed, stated),
        won(stated)
    ))
}

/// How much traffic to S3 it takes for the endpoint to save what is documented (A17).
fn endpoint(month: &Month) -> Option<String> {
    let gigabyte = month.won_per_nat_gigabyte()?;
    (gigabyte > 0.0).then(|| {
        format!(
            "The S3 endpoint (A17) saves {} per GB that would otherwise pass NAT, but not the gateways: saving {} per month \
             takes {} GB of S3 traffic.",
            won(gigabyte),
            won(ENDPOINT_SAVES),
            Number::decimal(ENDPOINT_SAVES / gigabyte)
        )
    })
}

/// What the edge costs under each plan of the book.
fn edge(month: &Month) -> Option<String> {
    let told = month.edge_choices.iter().map(|choice| {
        let costs = choice.costs.times(month.won_per_unit());
        let beyond = choice.beyond_gb.filter(|beyond| *beyond > 0.0);
        let beyond = beyond.map_or_else(String::new, |beyond| {
            format!(" ({} GB beyond its allowance)", Number::decimal(beyond))
        });
        format!("{} with {}{beyond}", amount(&costs), choice.plan)
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| {
        format!(
            "CloudFront: {TRANSFER_GB} GB to the internet (A24) cost {} per month. The number of requests is not documented.",
            listed(&told)
        )
    })
}

/// The exchange rate at which the totals would agree.
fn exchange(month: &Month) -> Option<String> {
    let statement = &month.statement;
    if statement.currency == Currency::Krw {
        return None;
    }
    let (stated, computed) = both(month, "all")?;
    // More than a lower bound agrees at a lower rate.
    let or_less = match computed {
        Amount::Exact(_) => "",
        Amount::AtLeast { .. } => " or less",
    };
    let rate = month.won_per_unit();
    Some(format!(
        "Exchange rate: $1 = {} ({}: {}). The totals would agree only at {}{or_less}.",
        won(rate),
        basis(statement.exchange.basis),
        statement.exchange.source,
        won(rate * stated / computed.at_least()),
    ))
}

/// How much of a month depends on stand-ins for prices.
fn stand_ins(month: &Month) -> Option<String> {
    let bill = &month.statement.month;
    let assumed = bill
        .lines
        .iter()
        .filter(|line| line.basis == Basis::Assumption);
    let amount: f64 = assumed.filter_map(|line| line.amount).sum();
    (amount > 0.0).then(|| {
        format!(
            "{} of the month at {} prices depend on stand-ins for prices that were not found; the list of items names them.",
            Number::share(amount / bill.total.at_least()),
            month.statement.price_book
        )
    })
}

/// CloudMart's documented hour (B9).
fn hour(hour: &Hour) -> Vec<String> {
    let shown = |amount| Number::money(amount, hour.currency);
    let dollars = |amount| Number::money(amount, Currency::Usd);
    let (titles, sum) = &hour.nearest;
    let mut told = vec![format!(
        "CloudMart (B9): {} per month is {} hours at the documented {} per hour; AWS counts {HOURS_PER_MONTH} hours, or {}.",
        dollars(CLOUDMART_MONTH),
        Number::decimal(CLOUDMART_MONTH / CLOUDMART_HOUR),
        dollars(CLOUDMART_HOUR),
        dollars(CLOUDMART_HOUR * HOURS_PER_MONTH),
    )];
    if hour.currency == Currency::Usd {
        told.push(format!(
            "CloudMart (B9): the listed resources cost {} per hour at {} prices, {} the documented {}. Of the resources in its \
             diagram, {} together come closest, at {}.",
            Number::amount(&hour.total, hour.currency),
            hour.price_book,
            times(&hour.total, CLOUDMART_HOUR),
            shown(CLOUDMART_HOUR),
            listed(titles),
            shown(*sum),
        ));
    }
    told
}
