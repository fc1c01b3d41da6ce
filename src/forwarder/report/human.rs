//! Lines for people: the URL stands out and is alone on stdout, the rest is on stderr, and a request is one line.

use super::clock::time_of_day;
use super::text::{milliseconds, printable, shortened, size, span};
use super::{Colors, Entry, Event, Output, Page};
use crate::limits;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

/// What lines for people depend on.
pub(in crate::forwarder) struct Human {
    output: Output,
    colors: Colors,
    qr: bool,
    /// The URL that each tunnel showed last, so that a link that returns is one line.
    shown: HashMap<Option<Arc<str>>, String>,
    /// Characters of the longest tunnel's name so far: they stand in a column.
    widest: usize,
}

impl Human {
    pub(super) fn new(output: Output, colors: Colors, qr: bool) -> Self {
        Self { output, colors, qr, shown: HashMap::new(), widest: 0 }
    }

    /// The tunnel's URL is known already.
    pub(in crate::forwarder) fn has_shown(&mut self, tunnel: Option<Arc<str>>, url: String) {
        self.shown.insert(tunnel, url);
    }

    /// Adds the event's lines.
    pub(super) fn render(&mut self, entry: &Entry, page: &mut Page) {
        let quiet = self.output.quiet;
        self.widest = self.widest.max(entry.tunnel.as_ref().map_or(0, |tunnel| tunnel.chars().count()));
        match &entry.event {
            Event::Online { url, .. } if self.shown.get(&entry.tunnel) == Some(url) => {
                if !quiet {
                    line(&mut page.err, &[&self.at(entry), "online again:", &printable(url)]);
                }
            }
            Event::Online { url, .. } => {
                self.banner(entry, page);
                self.shown.insert(entry.tunnel.clone(), url.clone());
            }
            Event::Offline { reason, retry } => {
                let retry = if retry.is_zero() { "now".to_owned() } else { format!("in {:.1} s", retry.as_secs_f64()) };
                let rest = format!("{}; trying again {retry}", printable(reason));
                line(&mut page.err, &[&self.at(entry), "offline:", &rest]);
            }
            _ if quiet => {}
            Event::Request { .. } => self.request(entry, &mut page.err),
            Event::Notice(text) => line(&mut page.err, &[&self.at(entry), &printable(text)]),
            Event::Summary { exchanges, failed, bytes_in, bytes_out, elapsed } => {
                let (up, down) = (size(*bytes_in), size(*bytes_out));
                let text = format!("{exchanges} requests ({failed} failed), {up} in, {down} out, {}", span(*elapsed));
                line(&mut page.err, &[&self.at(entry), &text]);
            }
        }
    }

    /// Adds the line that says how many requests have none.
    pub(super) fn render_dropped(&self, requests: u64, at: SystemTime, page: &mut Page) {
        let text = format!("{requests} requests are not shown: the output is not taken fast enough");
        line(&mut page.err, &[&self.dim(&time_of_day(at)), &text]);
    }

    fn banner(&self, entry: &Entry, page: &mut Page) {
        let Event::Online { url, lan, .. } = &entry.event else { return };
        let url = printable(url);
        line(&mut page.out, &[&paint(self.colors.out, "1", &url)]);
        if !self.output.quiet {
            self.details(entry, &mut page.err);
        }
        if self.qr {
            // A phone reaches the address on the network; a name under localhost it does not.
            self.qr_code(lan.first().map_or(&url, |other| other), page);
        }
    }

    fn details(&self, entry: &Entry, err: &mut String) {
        let Event::Online { stream_url, lan, service, port_taken, inspector, .. } = &entry.event else { return };
        let whose = entry.tunnel.as_ref().map(|tunnel| format!("  {} leads to", self.bold(&printable(tunnel))));
        line(err, &[whose.as_deref().unwrap_or("  leads to"), &printable(service)]);
        if let Some(stream_url) = stream_url {
            line(err, &["  for streams and large answers:", &printable(stream_url)]);
        }
        for other in lan {
            line(err, &["  on your network:", &printable(other)]);
        }
        // All tunnels of a process have the same one.
        if let Some(inspector) = inspector.as_ref().filter(|_| self.shown.is_empty()) {
            line(err, &["  inspector:", inspector]);
        }
        if let Some(port) = port_taken {
            line(err, &["  port", &port.to_string(), "is another program's, so this is the next free one"]);
        }
    }

    fn qr_code(&self, url: &str, page: &mut Page) {
        let Ok(code) = QrCode::new(url) else {
            return line(&mut page.err, &["the URL is too long for a QR code"]);
        };
        let mut picture = code.render::<Dense1x2>();
        // Blocks are the terminal's foreground: with colours it is set, without them it is taken to be the lighter one.
        let dark_blocks = self.colors.err;
        if !dark_blocks {
            picture.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
        }
        for row in picture.build().lines() {
            line(&mut page.err, &[&paint(self.colors.err, "30;107", row)]);
        }
    }

    fn request(&self, entry: &Entry, err: &mut String) {
        let Event::Request { method, target, status, bytes, elapsed, from, fault, websocket, cut, .. } = &entry.event
        else {
            return;
        };
        let path = shortened(&printable(target), limits::REPORT_PATH);
        let color = match status {
            200..=299 | 101 => "32",
            300..=399 => "36",
            400..=499 => "33",
            _ => "31",
        };
        let status = paint(self.colors.err, color, &status.to_string());
        line(err, &[&self.at(entry), method.as_str(), &path, &status, &size(*bytes), &milliseconds(*elapsed)]);
        err.pop();
        let notes = [
            websocket.then(|| "websocket".to_owned()),
            fault.map(|code| paint(self.colors.err, "31", code.as_str())),
            cut.then(|| paint(self.colors.err, "31", "cut short")),
            from.filter(|_| self.output.verbose).map(|address| format!("from {address}")),
        ];
        for note in notes.into_iter().flatten() {
            write!(err, " {note}").expect("a String takes everything");
        }
        err.push('\n');
    }

    /// The time, and whose line it is where there are several tunnels.
    fn at(&self, entry: &Entry) -> String {
        let time = self.dim(&time_of_day(entry.at));
        match &entry.tunnel {
            Some(tunnel) => format!("{time} {:widest$}", printable(tunnel), widest = self.widest),
            None => time,
        }
    }

    fn dim(&self, text: &str) -> String {
        paint(self.colors.err, "2", text)
    }

    fn bold(&self, text: &str) -> String {
        paint(self.colors.err, "1", text)
    }
}

fn paint(color: bool, style: &str, text: &str) -> String {
    if color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

fn line(to: &mut String, words: &[&str]) {
    to.push_str(&words.join(" "));
    to.push('\n');
}
