//! `plan.csv`: one row per audience, configuration or variant, with the mean of each measure.

use super::PlanDocument;
use crate::csv::quoted;
use tiketi_capacity::figures::Measure;
use tiketi_capacity::findings::{Answer, mean_of};
use tiketi_core::shown::on_one_line;

/// One row.
struct CsvRow {
    name: String,
    held: u32,
    runs: u32,
    means: Vec<Option<f64>>,
}

/// Renders the table: the answer as a comment, a header row, then plain numbers in seconds, parts of 1, or money. A cost of
/// which only a lower bound is known has an empty cell.
pub fn csv(document: &PlanDocument) -> String {
    let mut head = vec!["name".to_owned(), "held".to_owned(), "runs".to_owned()];
    head.extend(Measure::all().into_iter().map(Measure::name));
    let answer = on_one_line(&document.answer);
    let mut text = format!("# {answer}\n{}\n", head.join(","));
    for row in rows(&document.findings.answer) {
        let mut cells = vec![
            quoted(&on_one_line(&row.name)),
            row.held.to_string(),
            row.runs.to_string(),
        ];
        let means = row.means.iter();
        cells.extend(means.map(|mean| mean.map_or_else(String::new, |mean| mean.to_string())));
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

fn rows(answer: &Answer) -> Vec<CsvRow> {
    let all = Measure::all();
    match answer {
        Answer::LargestCrowd(found) => {
            let rows = found.steps.iter().map(|step| CsvRow {
                name: step.crowd.to_string(),
                held: step.held,
                runs: step.runs,
                means: all
                    .iter()
                    .map(|measure| mean_of(&step.means, *measure))
                    .collect(),
            });
            rows.collect()
        }
        Answer::CheapestSetup(found) => {
            let rows = found.setups.iter().map(|setup| CsvRow {
                name: setup.name.clone(),
                held: setup.held,
                runs: setup.runs,
                means: all
                    .iter()
                    .map(|measure| mean_of(&setup.means, *measure))
                    .collect(),
            });
            rows.collect()
        }
        Answer::Compare(found) => {
            let rows = found.variants.iter().map(|variant| CsvRow {
                name: variant.name.clone(),
                held: variant.held,
                runs: found.runs,
                means: variant
                    .rows
                    .iter()
                    .map(|row| row.estimate.map(|one| one.mean))
                    .collect(),
            });
            rows.collect()
        }
    }
}
