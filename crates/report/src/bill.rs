//! Bills and the reference bill, which the report of a run and the cost study share.

use tiketi_cost::Statement;
use tiketi_cost::comparison::Row;
use tiketi_cost::price_book::{Basis, Currency};
use tiketi_cost::statement::{Bill, BillLine};

use crate::chart::{Bar, BarChart};
use crate::number::Number;
use crate::page::{Cell, Column, Prose, Status, Table};

/// How sure a price is.
pub(crate) const fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Documented => "documented",
        Basis::Reported => "reported",
        Basis::Assumption => "assumption",
        Basis::NotFound => "no price found",
    }
}

/// Why the total of a bill is a lower bound; nothing if it is exact.
pub(crate) fn warnings(bill: &Bill) -> Vec<Prose> {
    let named = |why: &str, lines: &mut dyn Iterator<Item = &BillLine>| {
        let titles: Vec<_> = lines.map(|line| line.title.as_str()).collect();
        (!titles.is_empty()).then(|| {
            let titles = titles.join(", ");
            Prose::warning(format!("The total is a lower bound. {why}: {titles}."))
        })
    };
    let found = [
        named("Not metered", &mut bill.not_metered()),
        named("No price in this book", &mut bill.not_priced()),
    ];
    found.into_iter().flatten().collect()
}

/// All items of a bill, with the source of each price.
pub(crate) fn lines(bill: &Bill, currency: Currency) -> Table {
    let columns = vec![
        Column::label("Item"),
        Column::number("Quantity"),
        Column::label("Unit"),
        Column::number("Price"),
        Column::number("Amount"),
        Column::prose("Source of the price"),
    ];
    let money = |amount: f64| Number::money(amount, currency);
    let row = |line: &BillLine| {
        vec![
            Cell::text(&line.title),
            match line.quantity {
                Some(quantity) => Cell::number(Number::decimal(quantity)),
                None => Cell::text("not metered"),
            },
            Cell::text(&line.unit),
            Cell::number(line.unit_price.map(money)),
            Cell::number(line.amount.map(money)),
            Cell::text(format!("{}: {}", basis(line.basis), line.source)),
        ]
    };
    let mut table = Table::new(columns).with_rows(bill.lines.iter().map(row));
    let mut total = vec![Cell::empty(); table.columns.len()];
    total[0] = Cell::text("Total");
    total[4] = Cell::number(Number::amount(&bill.total, currency));
    table.push(total);
    table
}

/// The amounts of a bill as bars; what costs nothing has none.
pub(crate) fn by_item(title: &str, bill: &Bill, currency: Currency) -> BarChart {
    let bar = |line: &BillLine| {
        Some(Bar {
            name: line.title.clone(),
            value: Number::money(line.amount.filter(|amount| *amount > 0.0)?, currency),
            note: String::new(),
        })
    };
    BarChart {
        title: title.to_owned(),
        bars: bill.lines.iter().filter_map(bar).collect(),
    }
}

/// The reference bill beside the month of each statement, in won; sums that do not add up are marked.
pub(crate) fn reference(statements: &[&Statement]) -> Table {
    let mut columns = vec![
        Column::label(""),
        Column::number("Documented"),
        Column::number("Sum of its parts"),
    ];
    columns.extend(statements.iter().map(|statement| {
        let book = &statement.price_book;
        Column::number(format!("At {book}"))
    }));
    let mut table = Table::new(columns);
    let first = statements.first();
    let rows = first.map_or(&[][..], |statement| &statement.documented.rows);
    for (place, row) in rows.iter().enumerate() {
        let mut cells = vec![
            Cell::text(&row.title),
            Cell::number(Number::won(row.documented)),
            sum_of_parts(row),
        ];
        cells.extend(statements.iter().map(|statement| {
            let row = &statement.documented.rows[place];
            let used = row.used.as_ref();
            let used = used.filter(|used| !used.is_empty());
            let computed = row.computed.as_ref();
            Cell::number(computed.map(|amount| Number::amount(amount, Currency::Krw)))
                .with_note(used.map_or_else(String::new, |used| format!("for {used}")))
        }));
        table.push(cells);
    }
    table
}

fn sum_of_parts(row: &Row) -> Cell {
    let cell = Cell::number(row.added_up.map(Number::won));
    match row.adds_up() {
        Some(false) => cell.with_note("does not add up").colored(Status::Fail),
        Some(true) | None => cell,
    }
}
