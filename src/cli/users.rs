//! The file of users: CSV (RFC 4180) with the names of its columns in the first row.

use std::path::Path;

use super::exit::{Exit, complain};
use super::input::Kind;
use super::source;
use tiketi_live::credential::Credentials;

/// What is wrong with a file of users.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum CsvError {
    #[error("it has no users (expected a row with names of columns, and one row per buyer)")]
    Empty,
    #[error("row {row} has {found} fields (expected {expected}, as in the first row)")]
    Fields {
        row: usize,
        found: usize,
        expected: usize,
    },
    #[error(
        "row {row} has a quote without its partner (expected text in \"…\", and \"\" for a quote in it)"
    )]
    Quote { row: usize },
    #[error("column {column} has no name of its own (expected different names in the first row)")]
    Name { column: usize },
}

/// Reads the users, or prints what is wrong with the file.
pub(super) fn read(path: &Path) -> Result<Credentials, Exit> {
    let text = source::text(Kind::Users, path)?;
    let users = rows(&text).and_then(users);
    users.map_err(|error| {
        let hint = "save it as CSV with commas, such as `email,password`";
        complain(format_args!("{}: {error}", path.display()), Some(hint));
        Exit::BadScenario
    })
}

fn users(mut rows: Vec<Vec<String>>) -> Result<Credentials, CsvError> {
    if rows.len() < 2 {
        return Err(CsvError::Empty);
    }
    let columns = rows.remove(0);
    for (place, name) in columns.iter().enumerate() {
        if name.is_empty() || columns[..place].contains(name) {
            let column = place + 1;
            return Err(CsvError::Name { column });
        }
    }
    let expected = columns.len();
    match rows.iter().position(|row| row.len() != expected) {
        Some(place) => Err(CsvError::Fields {
            row: place + 2,
            found: rows[place].len(),
            expected,
        }),
        None => Ok(Credentials::Users { columns, rows }),
    }
}

/// Splits the text into rows of fields. Blank lines are no rows.
fn rows(text: &str) -> Result<Vec<Vec<String>>, CsvError> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut field = String::new();
    let mut is_quoted = false;
    let mut was_quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if field.is_empty() && !was_quoted => {
                is_quoted = true;
                was_quoted = true;
            }
            '"' => {
                return Err(CsvError::Quote {
                    row: rows.len() + 1,
                });
            }
            ',' if !is_quoted => {
                row.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            '\r' if !is_quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => {
                end_row(&mut rows, &mut row, &mut field, was_quoted);
                was_quoted = false;
            }
            character => field.push(character),
        }
    }
    if is_quoted {
        return Err(CsvError::Quote {
            row: rows.len() + 1,
        });
    }
    end_row(&mut rows, &mut row, &mut field, was_quoted);
    Ok(rows)
}

fn end_row(
    rows: &mut Vec<Vec<String>>,
    row: &mut Vec<String>,
    field: &mut String,
    was_quoted: bool,
) {
    if row.is_empty() && field.trim().is_empty() && !was_quoted {
        field.clear();
        return;
    }
    row.push(std::mem::take(field));
    rows.push(std::mem::take(row));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_quoted_and_lines_may_end_either_way() {
        let text = "email,password,note\r\na@b.c,\"p,\"\"w\"\"\",\n\n\"d@e.f\",x,\"two\nlines\"";
        let expected = vec![
            vec!["email", "password", "note"],
            vec!["a@b.c", "p,\"w\"", ""],
            vec!["d@e.f", "x", "two\nlines"],
        ];
        assert_eq!(rows(text).unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_row() {
        let error = |text| rows(text).and_then(users).err();
        assert_eq!(error(""), Some(CsvError::Empty));
        assert_eq!(error("email\n"), Some(CsvError::Empty));
        let fields = CsvError::Fields {
            row: 3,
            found: 1,
            expected: 2,
        };
        assert_eq!(error("a,b\n1,2\n3"), Some(fields));
        assert_eq!(error("a,a\n1,2"), Some(CsvError::Name { column: 2 }));
        assert_eq!(error("a\n\"1"), Some(CsvError::Quote { row: 2 }));
        assert_eq!(error("a\n\"1\"x\"\n"), Some(CsvError::Quote { row: 2 }));
    }
}
