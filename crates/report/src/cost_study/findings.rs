//! What the figures of the study say, in sentences.

use crate::words::{basis, money, won};
use tiketi_cost::comparison::Row;
use tiketi_cost::item::Item;
use tiketi_cost::price_book::{Basis, Currency, HOURS_A_MONTH};
use tiketi_cost::study::{CLOUDMART_HOUR, CLOUDMART_MONTH, Hour, Month, PEAK_HOURS, Study};

/// Part of a documented figure by which a computed one may differ and still agree with it (an assumption: rounding).
const AGREES: f64 = 0.05;
/// Lines told one by one; the table has them all.
const LINES_TOLD: usize = 4;
/// What the S3 endpoint is documented to save a month, in won (A17: "over 40,000").
const ENDPOINT_SAVES: f64 = 40_000.0;
/// The name of the documents' own book.
const DOCUMENTED: &str = "documented-krw";

/// Whether the documented figures hold, and the answer that says so.
pub(super) fn answer(study: &Study) -> (bool, String) {
    let wrong: Vec<_> = documented(study)
        .iter()
        .filter(|row| row.adds_up() == Some(false))
        .map(|row| {
            let parts = row.added_up.map_or_else(String::new, won);
            let (title, stated) = (&row.title, won(row.documented));
            format!("{title} is stated as {stated} where its parts lead to {parts}")
        })
        .collect();
    let listed: Vec<_> = listed(study)
        .filter_map(|month| {
            let (stated, computed) = both(month, "all")?;
            let book = &month.statement.price_book;
            let factor = computed / stated;
            Some((
                (factor - 1.0).abs() <= AGREES,
                format!(
                    "at the prices of {book} the month of {} costs {} ({factor:.2} times as much)",
                    won(stated),
                    won(computed)
                ),
            ))
        })
        .collect();
    let ok = wrong.is_empty() && listed.iter().all(|(agrees, _)| *agrees);
    let opening = if wrong.is_empty() {
        "every documented sum is the sum of its parts".to_owned()
    } else {
        wrong.join("; ")
    };
    let mut parts = vec![opening];
    parts.extend(listed.into_iter().map(|(_, sentence)| sentence));
    let word = if ok { "Yes" } else { "No" };
    (ok, format!("{word}: {}.", parts.join("; and ")))
}

/// Everything that was found, the weightiest first.
pub(super) fn findings(study: &Study) -> Vec<String> {
    let mut told = sums(study);
    told.extend(saving_nat(study));
    told.extend(peak(study));
    for month in listed(study) {
        told.extend(lines(month));
        told.extend(gateways(month));
        told.extend(another_zone(month));
        told.extend(nodes(month));
        told.extend(addresses(month));
        told.extend(optimized(month));
        told.extend(endpoint(month));
        told.extend(exchange(month));
        told.extend(stand_ins(month));
    }
    told.extend(study.hour.iter().flat_map(hour));
    told
}

/// The rows of the documented month; their documented side is the same in every book.
fn documented(study: &Study) -> &[Row] {
    let first = study.months.first();
    first.map_or(&[], |month| &month.statement.documented.rows)
}

/// The month at the documents' own prices.
fn own(study: &Study) -> Option<&Month> {
    let is_own = |month: &&Month| month.statement.price_book == DOCUMENTED;
    study.months.iter().find(is_own)
}

fn listed(study: &Study) -> impl Iterator<Item = &Month> {
    study
        .months
        .iter()
        .filter(|month| month.statement.price_book != DOCUMENTED)
}

fn row<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == name)
}

/// What is documented of a figure, and what it comes to at the prices of a book.
fn both(month: &Month, name: &str) -> Option<(f64, f64)> {
    let row = row(&month.statement.documented.rows, name)?;
    Some((row.documented, row.computed?))
}

/// The documented sums that are none, and what is as large as the gap.
fn sums(study: &Study) -> Vec<String> {
    let rows = documented(study);
    let wrong = rows.iter().filter(|row| row.adds_up() == Some(false));
    wrong
        .filter_map(|row| {
            let gap = row.added_up? - row.documented;
            let is_gap = |amount: f64| (amount - gap.abs()).abs() < 0.5;
            let as_large = rows.iter().filter(|other| is_gap(other.documented));
            let instance = own(study).and_then(|month| month.piece(Item::Instance));
            let instance = instance.filter(|instance| is_gap(instance.won_a_month()));
            let as_large: Vec<_> = as_large
                .map(|other| other.title.as_str())
                .chain(instance.map(|_| "one instance"))
                .collect();
            let hint = if as_large.is_empty() {
                String::new()
            } else {
                format!(
                    ", as much as {}, which may have been taken off without being named",
                    as_large.join(" or ")
                )
            };
            let direction = if gap > 0.0 { "too low" } else { "too high" };
            Some(format!(
                "{} does not add up: stated as {}, its parts lead to {}. It is {} {direction}{hint}.",
                row.title,
                won(row.documented),
                won(row.added_up?),
                won(gap.abs()),
            ))
        })
        .collect()
}

/// What the documents take off for NAT, against what they say NAT costs.
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
    let whole = rows.iter().find(is_same).map_or_else(String::new, |other| {
        format!(", which is all of {}", other.title)
    });
    let stays = rows
        .iter()
        .find(|other| (other.documented - surplus).abs() < 0.5);
    let stays = stays.map_or_else(String::new, |other| {
        format!("; {} goes on without NAT", other.title)
    });
    Some(format!(
        "Giving up NAT is said to save {}{whole}; NAT itself is {}{stays}.",
        won(saving.documented),
        won(nat.documented),
    ))
}

/// The documented peak at the documents' own prices.
fn peak(study: &Study) -> Option<String> {
    let month = own(study)?;
    let (stated, computed) = both(month, "peak")?;
    let verdict = if (computed / stated - 1.0).abs() <= AGREES {
        "agrees"
    } else {
        "does not agree"
    };
    Some(format!(
        "The peak of {} {verdict} with the documents' own price of an instance: the largest fleet for {} hours comes to {}.",
        won(stated),
        PEAK_HOURS,
        won(computed),
    ))
}

/// The lines that are furthest from the list prices.
fn lines(month: &Month) -> Option<String> {
    let rows = &month.statement.documented.rows;
    let leaves = rows.iter().filter(|row| {
        row.added_up.is_none() && !row.name.starts_with("saving-") && row.computed.is_some()
    });
    let mut differences: Vec<_> = leaves
        .filter_map(|row| Some((row, row.computed? - row.documented)))
        .collect();
    let agree = differences
        .iter()
        .filter(|(row, difference)| difference.abs() <= AGREES * row.documented)
        .count();
    let all = differences.len();
    differences.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    let told: Vec<_> = differences
        .iter()
        .take(LINES_TOLD)
        .filter_map(|(row, _)| {
            let computed = won(row.computed?);
            Some(format!(
                "{} {computed} for {}",
                row.title,
                won(row.documented)
            ))
        })
        .collect();
    (!told.is_empty()).then(|| {
        format!(
            "{}: {agree} of {all} lines are within {:.0}% of the documents. Furthest off: {}.",
            month.statement.price_book,
            AGREES * 100.0,
            told.join("; ")
        )
    })
}

/// How many gateways the documented figure pays for (A18), and what one instead of several would save (B12).
fn gateways(month: &Month) -> Option<String> {
    let (stated, _) = both(month, "nat")?;
    let gateway = month.piece(Item::NatGateway)?;
    if month.nat_gateways == 0 {
        return None;
    }
    let saved = month.saved_by_one_gateway * month.won_per_unit();
    let one = if month.nat_gateways > 1 {
        format!(
            " One for all zones would save {} a month; what the other zones send through it then crosses a border, and is cut off when it fails.",
            won(saved)
        )
    } else {
        String::new()
    };
    Some(format!(
        "NAT: {} gateways stand there (A18) for {} a month before a byte passes; {} pay for {:.2} of one.{one}",
        month.nat_gateways,
        won(gateway.won_a_month() * month.gateways()),
        won(stated),
        stated / gateway.won_a_month(),
    ))
}

/// What a zone more costs (B12: "two AZs or three?").
fn another_zone(month: &Month) -> Option<String> {
    let won_more = month.another_zone_costs? * month.won_per_unit();
    Some(format!(
        "A zone more costs {} a month with a NAT gateway of its own, before instances and nodes in it (B12).",
        won(won_more)
    ))
}

/// How many nodes the documented figures of the data tier pay for.
fn nodes(month: &Month) -> Vec<String> {
    let tiers = [
        ("database", Item::Database, "Database"),
        ("cache", Item::Cache, "Redis"),
    ];
    let told = |(name, item, title): (&str, Item, &str)| {
        let (stated, _) = both(month, name)?;
        let node = month.piece(item)?;
        let paid = stated / node.won_a_month();
        Some(format!(
            "{title}: {} nodes at {} a month each are {}; the documented {} pay for {paid:.2}.",
            node.pieces,
            won(node.won_a_month()),
            won(node.won_a_month() * node.pieces),
            won(stated),
        ))
    };
    tiers.into_iter().filter_map(told).collect()
}

/// Public addresses, which no documented line names.
fn addresses(month: &Month) -> Option<String> {
    let lines = &month.statement.month.lines;
    let lines = lines
        .iter()
        .filter(|line| line.item == Item::PublicAddresses);
    let (mut pieces, mut amount) = (0.0, 0.0);
    for line in lines {
        pieces += line.quantity? / HOURS_A_MONTH;
        amount += line.amount?;
    }
    (pieces > 0.0).then(|| {
        format!(
            "Public addresses: {pieces} of them are {} a month, and no documented line speaks of them.",
            won(amount * month.won_per_unit())
        )
    })
}

/// The optimized month (A23: "about 150,000 won") at the prices of a book.
fn optimized(month: &Month) -> Option<String> {
    let (stated, computed) = both(month, "optimized")?;
    Some(format!(
        "Optimized, that is without NAT and with the smallest fleet reserved, the month is {} at these prices instead of {} \
         ({:.2} times as much); and without NAT nothing in the private subnets reaches the internet.",
        won(computed),
        won(stated),
        computed / stated
    ))
}

/// How much would have to go to S3 for the endpoint to save what it is said to save (A17).
fn endpoint(month: &Month) -> Option<String> {
    let gigabyte = month.won_a_nat_gigabyte()?;
    (gigabyte > 0.0).then(|| {
        format!(
            "The S3 endpoint (A17) saves the {} of each gigabyte that would pass NAT, not the gateways: for {} a month {:.0} GB \
             must go to S3 and back.",
            won(gigabyte),
            won(ENDPOINT_SAVES),
            ENDPOINT_SAVES / gigabyte
        )
    })
}

/// What a dollar would have to be for the totals to agree.
fn exchange(month: &Month) -> Option<String> {
    let statement = &month.statement;
    if statement.currency == Currency::Krw {
        return None;
    }
    let (stated, computed) = both(month, "all")?;
    let rate = month.won_per_unit();
    Some(format!(
        "A dollar is counted as {} ({}: {}). The totals would agree only at {}.",
        won(rate),
        basis(statement.exchange.basis),
        statement.exchange.source,
        won(rate * stated / computed),
    ))
}

/// How much of a month rests on prices that stand in for others.
fn stand_ins(month: &Month) -> Option<String> {
    let bill = &month.statement.month;
    let assumed = bill
        .lines
        .iter()
        .filter(|line| line.basis == Basis::Assumption);
    let amount: f64 = assumed.filter_map(|line| line.amount).sum();
    (amount > 0.0).then(|| {
        format!(
            "{:.0}% of the month at {} rest on stand-ins for prices that were not found; the list of lines names them.",
            100.0 * amount / bill.total,
            month.statement.price_book
        )
    })
}

/// CloudMart's documented hour (B9).
fn hour(hour: &Hour) -> Vec<String> {
    let shown = |amount| money(amount, hour.currency);
    let hours = CLOUDMART_MONTH / CLOUDMART_HOUR;
    let (titles, sum) = &hour.nearest;
    let mut told = vec![format!(
        "CloudMart (B9): {} an hour and {} a month are {hours:.0} hours of it; AWS counts {HOURS_A_MONTH}, which would be {}.",
        money(CLOUDMART_HOUR, Currency::Usd),
        money(CLOUDMART_MONTH, Currency::Usd),
        money(CLOUDMART_HOUR * HOURS_A_MONTH, Currency::Usd),
    )];
    if hour.currency == Currency::Usd {
        told.push(format!(
            "CloudMart (B9): what stands there costs {} an hour at the prices of {}, {:.2} times the documented {}. Of what is \
             drawn, {} come nearest to it together, at {}.",
            shown(hour.total),
            hour.price_book,
            hour.total / CLOUDMART_HOUR,
            shown(CLOUDMART_HOUR),
            titles.join(" + "),
            shown(*sum),
        ));
    }
    told
}
