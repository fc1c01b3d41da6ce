//! What curl saw, in a form in which two answers can be compared.

use std::fmt;

use anyhow::{Context, Result};

use crate::process::{command, run};

/// Headers that belong to one connection or to one moment, and so differ between two right answers.
const PASSING: [&str; 4] = ["connection", "date", "keep-alive", "transfer-encoding"];

/// An answer as a client sees it.
#[derive(PartialEq, Eq)]
pub(crate) struct Answer {
    /// The statuses of the 1xx answers before it.
    pub(crate) interim: Vec<u16>,
    /// Its status.
    pub(crate) status: u16,
    /// Its headers, names in lower case, sorted by name; those of one name in their order. Passing ones are left out.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body, as it came.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known == name)?;
        Some(value)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        let start: String = text.chars().take(2000).collect();
        writeln!(f, "{} after {:?}", self.status, self.interim)?;
        for (name, value) in &self.headers {
            writeln!(f, "  {name}: {value}")?;
        }
        write!(f, "  {} bytes: {start}", self.body.len())
    }
}

/// Calls a URL with curl and further options.
pub(crate) async fn curl(options: &[&str], url: &str) -> Result<Answer> {
    let output =
        run(command("curl").args(["--silent", "--show-error", "--include", "--max-time", "60"]).args(options).arg(url))
            .await?;
    parse(&output).with_context(|| format!("what curl printed for {url}"))
}

fn parse(output: &[u8]) -> Result<Answer> {
    let (mut interim, mut rest) = (Vec::new(), output);
    loop {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.context("no end of a head")?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 4..];
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        if (100..200).contains(&status) {
            interim.push(status);
            continue;
        }
        return Ok(Answer { interim, status, headers: headers(&head), body: rest.to_vec() });
    }
}

fn headers(head: &str) -> Vec<(String, String)> {
    let lines = head.split("\r\n").skip(1);
    let mut headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .filter(|(name, _)| !PASSING.contains(&name.as_str()))
        .collect();
    headers.sort_by(|a, b| a.0.cmp(&b.0));
    headers
}
