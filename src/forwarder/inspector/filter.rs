//! A filter is read from a query once; a misspelt word is an error, not a filter that lets everything through.

use super::record::Record;
use super::unpack::Unpacker;
use crate::limits;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Which exchanges are wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// In path, header or body; letters of either case.
    text: Option<Vec<u8>>,
    method: Option<String>,
    status: Option<Status>,
    tunnel: Option<String>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    /// Only exchanges with a smaller number.
    before: Option<u64>,
    /// At most this many.
    pub(super) limit: Option<usize>,
}

#[derive(Debug, PartialEq, Eq)]
enum Status {
    Exactly(u16),
    /// 4 for 4xx.
    Class(u16),
    /// 5xx, the tunnel's own error, or cut short.
    Failed,
    Open,
}

impl Filter {
    /// Reads a query.
    ///
    /// # Errors
    /// Says which word is none.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for (name, value) in pairs(query) {
            if value.is_empty() {
                continue;
            }
            match name.as_str() {
                "text" => filter.text = Some(value.to_lowercase().into_bytes()),
                "method" => filter.method = Some(value.to_uppercase()),
                "status" => filter.status = Some(status(&value)?),
                "tunnel" => filter.tunnel = Some(value),
                "since" => filter.since = Some(time(&name, &value)?),
                "until" => filter.until = Some(time(&name, &value)?),
                "before" => filter.before = Some(number(&name, &value)?),
                "limit" => filter.limit = Some((number(&name, &value)? as usize).min(limits::INSPECT_LIST_MOST)),
                _ => {
                    return Err(format!(
                        "{name:?} is no filter; there are text, method, status, tunnel, since, until, before and limit"
                    ));
                }
            }
        }
        Ok(filter)
    }

    /// Whether it lets `record` through.
    pub(super) fn admits(&self, record: &Record, unpacker: &mut Unpacker) -> bool {
        self.before.is_none_or(|before| record.id < before)
            && self.since.is_none_or(|since| record.started >= since)
            && self.until.is_none_or(|until| record.started <= until)
            && self.method.as_ref().is_none_or(|method| record.request.method.as_str().eq_ignore_ascii_case(method))
            && self.status.as_ref().is_none_or(|status| status.admits(record))
            && self.tunnel.as_ref().is_none_or(|tunnel| record.request.tunnel.as_deref() == Some(tunnel))
            && self.text.as_ref().is_none_or(|text| holds(record, text, unpacker))
    }
}

/// Whether `text`, in lower case, is in the record's path, headers, bodies or messages.
fn holds(record: &Record, text: &[u8], unpacker: &mut Unpacker) -> bool {
    let (request, answer) = (&record.request, record.answer.as_ref());
    contains(request.target.as_bytes(), text)
        || contains(request.headers.bytes(), text)
        || answer.is_some_and(|answer| contains(answer.headers.bytes(), text))
        || contains(&unpacker.unpack(&request.headers, &request.body).bytes, text)
        || answer.is_some_and(|answer| contains(&unpacker.unpack(&answer.headers, &record.answer_body).bytes, text))
        || record.messages.since(0).any(|(_, message)| contains(&message.bytes, text))
}

impl Status {
    fn admits(&self, record: &Record) -> bool {
        match self {
            Self::Exactly(status) => record.status == Some(*status),
            Self::Class(class) => record.status.is_some_and(|status| status / 100 == *class),
            Self::Failed => record.fault.is_some() || record.cut || record.status.is_some_and(|status| status >= 500),
            Self::Open => record.is_open(),
        }
    }
}

fn status(text: &str) -> Result<Status, String> {
    let class = text.strip_suffix("xx").filter(|digit| matches!(*digit, "1" | "2" | "3" | "4" | "5"));
    match (text, class) {
        ("failed", _) => Ok(Status::Failed),
        ("open", _) => Ok(Status::Open),
        (_, Some(digit)) => digit.parse().map(Status::Class).map_err(|_| text.to_owned()),
        _ => text.parse().map(Status::Exactly).map_err(|_| format!("status is 404, 4xx, failed or open, not {text:?}")),
    }
}

fn time(name: &str, text: &str) -> Result<SystemTime, String> {
    let milliseconds = number(name, text)?;
    UNIX_EPOCH
        .checked_add(Duration::from_millis(milliseconds))
        .ok_or_else(|| format!("{name} is too far away; it is milliseconds since 1970"))
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{name} is a whole number, not {text:?}"))
}

fn contains(bytes: &[u8], lower: &[u8]) -> bool {
    let Some((first, rest)) = lower.split_first() else { return true };
    let windows = bytes.len().saturating_sub(rest.len());
    let starts = bytes[..windows].iter().enumerate().filter(|(_, byte)| byte.eq_ignore_ascii_case(first));
    starts.map(|(i, _)| &bytes[i + 1..i + lower.len()]).any(|found| found.eq_ignore_ascii_case(rest))
}

/// Names and values of a query; what is not UTF-8 becomes a replacement character.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_says_what_there_is() {
        assert!(Filter::parse("txet=a").is_err_and(|error| error.contains("text")));
        assert!(Filter::parse("status=9xx").is_err_and(|error| error.contains("4xx")));
        assert!(Filter::parse("since=yesterday").is_err_and(|error| error.contains("since")));
        assert_eq!(Filter::parse("text=&limit="), Ok(Filter::default()));
    }

    #[test]
    fn text_is_found_whatever_its_case_and_wherever_it_stands() {
        for (text, found) in
            [("héllo", true), ("hello", true), ("a", true), ("lo wo", true), ("worlds", false), ("", true)]
        {
            assert_eq!(contains("A hello world, Héllo".to_lowercase().as_bytes(), text.as_bytes()), found, "{text}");
            assert_eq!(contains(b"", text.as_bytes()), text.is_empty());
        }
        assert!(contains(b"HeLLo", b"hello") && !contains(b"hell", b"hello"));
    }

    #[test]
    fn a_query_is_decoded() {
        let pairs: Vec<_> = pairs("a=b+c&d=%2Fe%ff&&f").collect();
        let expected = [("a", "b c"), ("d", "/e\u{fffd}"), ("f", "")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
