//! A directory as a page: every name is escaped, every link is relative, and only what could be opened is listed.

use super::inside::Inside;
use crate::forwarder::report::size;
use crate::limits;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Component, Path};

/// All but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

struct Row {
    /// As bytes of the link; a name need not be text.
    link: String,
    name: String,
    /// `None` for a directory.
    bytes: Option<u64>,
}

/// The page for a URL's path that ends with a slash; `None` when no directory is to be seen there.
pub(super) fn page(path: &str, inside: &Inside) -> Option<String> {
    let decoded = percent_decode_str(path.trim_start_matches('/')).decode_utf8().ok()?;
    let below = Path::new(decoded.as_ref());
    if !below.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let directory = inside.root().join(below);
    let (real, metadata) = inside.resolve(&directory).ok()?;
    if !metadata.is_dir() {
        return None;
    }
    let entries = real.read_dir().ok()?.filter_map(Result::ok);
    let mut rows: Vec<Row> =
        entries.filter_map(|entry| row(&entry.file_name(), &directory, inside)).take(limits::LISTING + 1).collect();
    let more = rows.len() > limits::LISTING;
    rows.truncate(limits::LISTING);
    rows.sort_by(|a, b| (a.bytes.is_some(), &a.name).cmp(&(b.bytes.is_some(), &b.name)));
    Some(html(&format!("/{decoded}"), &rows, more))
}

fn row(name: &OsStr, directory: &Path, inside: &Inside) -> Option<Row> {
    let (_, metadata) = inside.resolve(&directory.join(name)).ok()?;
    let link = percent_encode(name.as_encoded_bytes(), ENCODED).to_string();
    let bytes = metadata.is_file().then_some(metadata.len());
    Some(Row { link, name: name.to_string_lossy().into_owned(), bytes })
}

fn html(title: &str, rows: &[Row], more: bool) -> String {
    let title = escaped(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title}</title>\n<style>body{{font:16px/1.6 system-ui,sans-serif;margin:2em \
         auto;max-width:50em;padding:0 1em}}td:last-child{{padding-left:2em;text-align:right}}</style>\n<h1>{title}</h1>\n\
         <table>\n"
    );
    if title != "/" {
        page.push_str("<tr><td><a href=\"../\">../</a><td>\n");
    }
    for Row { link, name, bytes } in rows {
        let (slash, size) = bytes.map_or(("/", String::new()), |bytes| ("", size(bytes)));
        let name = escaped(name);
        // `./` keeps a name with a colon in it from being read as a scheme.
        writeln!(page, "<tr><td><a href=\"./{link}{slash}\">{name}{slash}</a><td>{size}")
            .expect("a String takes everything");
    }
    page.push_str("</table>\n");
    if more {
        writeln!(page, "<p>Only the first {} entries are listed.", limits::LISTING).expect("a String takes everything");
    }
    page
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
        safe
    })
}
