//! Figures as Markdown: medians, each with its ratio to bore, and the spread that they hide.

use crate::contender::CONTENDERS;

/// The contender that all ratios are against.
const YARDSTICK: &str = "bore";

/// All turns of one contender for one row; empty if there is nothing to say.
pub(crate) struct Cell {
    pub(crate) key: &'static str,
    pub(crate) values: Vec<f64>,
}

/// One line of the report.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) decimals: usize,
    /// Whether a ratio means anything.
    pub(crate) ratio: bool,
    pub(crate) target: &'static str,
    pub(crate) cells: Vec<Cell>,
}

/// Everything that is printed.
pub(crate) struct Report {
    /// Lines above the table.
    preface: Vec<String>,
    columns: Vec<&'static str>,
    rows: Vec<Row>,
    faults: Vec<String>,
    /// The row being measured, for the faults' sake.
    current: &'static str,
}

impl Report {
    pub(crate) fn new(preface: Vec<String>, includes: impl Fn(&str) -> bool) -> Self {
        let columns = CONTENDERS.iter().map(|contender| contender.key).filter(|key| includes(key)).collect();
        Self { preface, columns, rows: Vec::new(), faults: Vec::new(), current: "" }
    }

    pub(crate) fn begin(&mut self, row: &'static str) {
        eprintln!("{row}");
        self.current = row;
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn fault(&mut self, who: &str, error: &anyhow::Error) {
        let fault = format!("{}, {who}: {error:#}", self.current);
        eprintln!("  {fault}");
        self.faults.push(fault);
    }

    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.preface.join("\n\n"));
        text += &self.table("Medians, and their ratio to bore", true, Row::median_cell);
        text += &self.table("Lowest to highest turn", false, Row::spread_cell);
        if !self.faults.is_empty() {
            text += &format!("Failed:\n\n- {}\n", self.faults.join("\n- "));
        }
        text
    }

    fn table(&self, title: &str, targets: bool, cell: impl Fn(&Row, &str) -> String) -> String {
        let labels = CONTENDERS
            .iter()
            .filter(|contender| self.columns.contains(&contender.key))
            .map(|contender| contender.label);
        let mut head: Vec<String> = std::iter::once(title).chain(labels).map(String::from).collect();
        if targets {
            head.push("target for ours".into());
        }
        let mut lines = vec![line(&head), format!("|---|{}", "--:|".repeat(head.len() - 1))];
        for row in self.rows.iter().filter(|row| targets || row.cells.iter().any(|cell| cell.values.len() > 1)) {
            let mut words = vec![row.what.clone()];
            words.extend(self.columns.iter().map(|key| cell(row, key)));
            if targets {
                words.push(row.target.into());
            }
            lines.push(line(&words));
        }
        // Two lines are a head without rows.
        if lines.len() > 2 { lines.join("\n") + "\n\n" } else { String::new() }
    }
}

impl Row {
    fn values(&self, key: &str) -> &[f64] {
        self.cells.iter().find(|cell| cell.key == key).map_or(&[], |cell| &cell.values)
    }

    fn median_cell(&self, key: &str) -> String {
        let values = self.values(key);
        let Some(middle) = median(values) else { return "–".into() };
        let figure = grouped(middle, self.decimals);
        // Turn against the same round's turn of bore: what the machine does meanwhile hits both.
        let ratios: Vec<f64> = values.iter().zip(self.values(YARDSTICK)).map(|(ours, theirs)| ours / theirs).collect();
        match median(&ratios) {
            Some(ratio) if self.ratio && key != YARDSTICK => format!("{figure} ({ratio:.2}x)"),
            _ => figure,
        }
    }

    fn spread_cell(&self, key: &str) -> String {
        let values = self.values(key);
        let lowest = values.iter().copied().reduce(f64::min);
        let highest = values.iter().copied().reduce(f64::max);
        match (lowest, highest) {
            (Some(lowest), Some(highest)) => {
                format!("{} – {}", grouped(lowest, self.decimals), grouped(highest, self.decimals))
            }
            _ => "–".into(),
        }
    }
}

/// `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

fn line(words: &[String]) -> String {
    format!("| {} |", words.join(" | "))
}

/// `12345.6` as `12,346`.
fn grouped(number: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", number.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if number < 0.0 && text.contains(|digit: char| ('1'..='9').contains(&digit)) { "-" } else { "" };
    format!("{sign}{grouped}{fraction}")
}
