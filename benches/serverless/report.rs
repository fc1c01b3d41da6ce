//! Figures as Markdown.

use crate::bill::{Line, Usage};
use crate::measure::{Findings, Row};
use crate::prices;
use std::fmt::Write as _;

const KIB: f64 = 1024.0;

const PREFACE: &str = "Requests of 1 KB, one visitor at a time, warm environments. Injected delays: 5 ms a DynamoDB call, 12 ms \
    a post, 8 ms a WebSocket message either way, 4 ms an invocation; a small exchange has 46 ms of them in a row.\n\n";

pub(crate) fn markdown(findings: &Findings) -> String {
    let columns: Vec<&str> = findings.rows.iter().map(|row| row.label).collect();
    let mut text = PREFACE.to_owned();
    text += &latency(findings);
    text += &counts(&findings.rows, &columns);
    text += &bill(findings, &columns);
    text += &own(findings);
    text += &price_table();
    text
}

fn latency(findings: &Findings) -> String {
    let mut table = Table::new(&["milliseconds", "direct p50", "through p50", "added p50", "added p95", "target p50"]);
    for row in &findings.rows {
        let direct = quantile(&row.direct, 0.5);
        let through = [0.5, 0.95].map(|share| quantile(&row.through, share));
        let target = if row.label == "10 KB" { "< 60" } else { "" };
        let figures = [direct, through[0], through[0] - direct, through[1] - direct].map(|ms| format!("{ms:.1}"));
        let mut words = vec![row.label.to_owned()];
        words.extend(figures);
        words.push(target.to_owned());
        table.line(&words);
    }
    let [write, read] = findings.engine;
    table.0
        + &format!(
            "Added to the injected 5 ms, DynamoDB Local itself takes {write:.1} ms to write an item of 10 KB and {read:.1} ms to \
             read it; a small exchange does each once in a row.\n\n"
        )
}

fn counts(rows: &[Row], columns: &[&str]) -> String {
    type Count = (&'static str, fn(&Usage) -> f64);
    let counts: [Count; 13] = [
        ("HTTP API requests", |it| it.each(it.tally.http_requests)),
        ("Function URL requests", |it| it.each(it.tally.stream_requests)),
        ("Lambda invocations", Usage::invocations),
        ("billed ms, visitor's", |it| it.billed(&["HTTP", "STREAM"])),
        ("billed ms, messages'", |it| it.billed(&["MESSAGE"])),
        ("posts", |it| it.each(it.tally.posts)),
        ("32 KB units to the forwarder", |it| it.each(it.tally.units_out)),
        ("32 KB units from the forwarder", |it| it.each(it.tally.units_in)),
        ("GetItem (who is linked)", |it| it.operations("GetItem")),
        ("Query (looks for the answer)", |it| it.operations("Query")),
        ("PutItem (the answer's messages)", |it| it.operations("PutItem")),
        ("read units", |it| it.tally.read_units() / it.exchanges as f64),
        ("write units", |it| it.tally.write_units() / it.exchanges as f64),
    ];
    let mut table = Table::new(&[&["each exchange"], columns].concat());
    for (name, count) in counts {
        let mut words = vec![name.to_owned()];
        words.extend(rows.iter().map(|row| plain(count(&row.usage))));
        table.line(&words);
    }
    table.0
}

fn bill(findings: &Findings, columns: &[&str]) -> String {
    let waiting = format!("10 KB after {} s", findings.options.wait.as_secs());
    let mut table = Table::new(&[&["dollars for a million"], columns, &[waiting.as_str()]].concat());
    let usages = || findings.rows.iter().map(|row| &row.usage).chain([&findings.waiting]);
    let bills: Vec<Vec<Line>> = usages().map(Usage::lines).collect();
    for (at, line) in bills.first().into_iter().flatten().enumerate() {
        let mut words = vec![line.price.meter.to_owned()];
        words.extend(bills.iter().map(|bill| format!("{:.2}", bill[at].per_million())));
        table.line(&words);
    }
    let mut sum = |name: &str, pick: fn((f64, f64)) -> f64| {
        let mut words = vec![name.to_owned()];
        words.extend(usages().map(|usage| format!("**{:.2}**", pick(usage.per_million()))));
        table.line(&words);
    };
    sum("without data out", |(services, _)| services);
    sum("all", |(_, all)| all);
    let waiting = &findings.waiting;
    let looks = waiting.operations("Query");
    let _ = write!(
        table.0,
        "A million exchanges of 1 KB up and 10 KB down are to cost less than $12. While a service takes {} s, the handler \
         looks for its answer {looks:.0} times.\n\n",
        findings.options.wait.as_secs()
    );
    table.0
}

fn own(findings: &Findings) -> String {
    let mut table = Table::new(&["the handler", "", "target"]);
    let inits = [0.5, 0.95].map(|share| quantile(&findings.inits, share));
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / KIB / KIB);
    let init = format!("{:.0} ms, p95 {:.0} ms, {} starts", inits[0], inits[1], findings.inits.len());
    for (name, figure, target) in [
        ("start of the process to its first question, p50", init, "< 50 ms"),
        ("stripped program, this machine's processor", megabytes(findings.program), "zip of arm64 < 6 MB"),
        ("most resident memory of an environment (VmHWM)", megabytes(findings.memory), "< 40 MB"),
    ] {
        table.line(&[name.to_owned(), figure, target.to_owned()]);
    }
    table.0
}

fn price_table() -> String {
    let mut table = Table::new(&["price, us-east-1, no free tier", "unit", "dollars for a million units", "source"]);
    for price in prices::ALL {
        let dollars = format!("{:.4}", price.dollars * 1e6);
        let source = if price.verified { price.source.to_owned() } else { format!("{} (not verified)", price.source) };
        table.line(&[price.meter.to_owned(), price.unit.to_owned(), dollars, source]);
    }
    table.0
}

/// A Markdown table as it grows; ends with an empty line.
struct Table(String);

impl Table {
    fn new(head: &[&str]) -> Self {
        Self(format!("| {} |\n|---|{}\n\n", head.join(" | "), "--:|".repeat(head.len() - 1)))
    }

    fn line(&mut self, words: &[String]) {
        self.0.pop();
        self.0 += &format!("| {} |\n\n", words.join(" | "));
    }
}

/// Whole numbers without decimals.
fn plain(number: f64) -> String {
    if (number - number.round()).abs() < 0.005 { format!("{number:.0}") } else { format!("{number:.2}") }
}

/// The value below which this share of the values lies.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
