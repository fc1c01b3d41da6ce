//! A finding is one line; what is not right has its fix on the next.

use crate::forwarder::config::ColorChoice;
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// Works, but not in every case.
    Warn,
    /// Does not work.
    Fail,
    /// Could not be checked.
    Skipped,
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    status: Status,
    detail: String,
    fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, detail: detail.into(), fix: None }
    }

    pub(super) fn warn(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Warn, detail: detail.into(), fix: Some(fix.into()) }
    }

    pub(super) fn fail(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Fail, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// `why` says what stood in the way.
    pub(super) fn skipped(check: &'static str, why: &str) -> Self {
        Self { check, status: Status::Skipped, detail: format!("not checked: {why}"), fix: None }
    }

    pub(super) fn failed(&self) -> bool {
        self.status == Status::Fail
    }

    fn line(&self, color: bool) -> String {
        let (mark, style) = match self.status {
            Status::Ok => ("ok  ", "32"),
            Status::Warn => ("warn", "33"),
            Status::Fail => ("FAIL", "31"),
            Status::Skipped => ("-   ", "2"),
        };
        let mark = if color { format!("\x1b[{style}m{mark}\x1b[0m") } else { mark.to_owned() };
        let fix = self.fix.as_ref().map(|fix| format!("\n      {}", printable(fix))).unwrap_or_default();
        format!("{mark}  {:<18} {}{fix}\n", self.check, printable(&self.detail))
    }
}

/// What other machines say stays one line without colours.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// All findings, in the order of the hops.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.0.extend(findings);
    }

    /// Prints it and gives the exit code.
    pub(super) fn print(&self, json: bool, color: ColorChoice) -> ExitCode {
        let color = match color {
            ColorChoice::Auto => io::stdout().is_terminal(),
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        let text = if json { self.json() } else { self.0.iter().map(|finding| finding.line(color)).collect() };
        match io::stdout().write_all(text.as_bytes()) {
            // Whoever reads no further wants to know no more.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("forwarder doctor: cannot print: {error}");
                ExitCode::FAILURE
            }
            _ => ExitCode::from(u8::from(self.0.iter().any(Finding::failed))),
        }
    }

    fn json(&self) -> String {
        let lines: Vec<_> = self.0.iter().filter_map(|finding| serde_json::to_string(finding).ok()).collect();
        format!("[\n  {}\n]\n", lines.join(",\n  "))
    }
}
