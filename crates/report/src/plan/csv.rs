//! `plan.csv`: a line for each crowd, set-up or variant that was played, with the mean of each measure.

use super::PlanDocument;
use tiketi_capacity::figures::Measure;
use tiketi_capacity::findings::{Answer, mean_of};

/// One line.
struct Line {
    name: String,
    held: u32,
    runs: u32,
    means: Vec<Option<f64>>,
}

/// Renders the table; after the answer, which is a comment, a head and plain numbers: seconds, parts of 1, money.
pub fn render(document: &PlanDocument) -> String {
    let mut head = vec!["name".to_owned(), "held".to_owned(), "runs".to_owned()];
    head.extend(Measure::all().into_iter().map(Measure::name));
    let mut text = format!("# {}\n{}\n", document.answer, head.join(","));
    for line in lines(&document.findings.answer) {
        let mut cells = vec![
            quoted(&line.name),
            line.held.to_string(),
            line.runs.to_string(),
        ];
        let means = line.means.iter();
        cells.extend(means.map(|mean| mean.map_or_else(String::new, |mean| mean.to_string())));
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

fn lines(answer: &Answer) -> Vec<Line> {
    let all = Measure::all();
    match answer {
        Answer::LargestCrowd(found) => {
            let lines = found.steps.iter().map(|step| Line {
                name: step.crowd.to_string(),
                held: step.held,
                runs: step.runs,
                means: all
                    .iter()
                    .map(|measure| mean_of(&step.means, *measure))
                    .collect(),
            });
            lines.collect()
        }
        Answer::CheapestSetup(found) => {
            let lines = found.setups.iter().map(|setup| Line {
                name: setup.name.clone(),
                held: setup.held,
                runs: setup.runs,
                means: all
                    .iter()
                    .map(|measure| mean_of(&setup.means, *measure))
                    .collect(),
            });
            lines.collect()
        }
        Answer::Compare(found) => {
            let lines = found.variants.iter().map(|variant| Line {
                name: variant.name.clone(),
                held: variant.held,
                runs: found.runs,
                means: variant
                    .rows
                    .iter()
                    .map(|row| row.estimate.map(|one| one.mean))
                    .collect(),
            });
            lines.collect()
        }
    }
}

/// A text as CSV reads it back (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
