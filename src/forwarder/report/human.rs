//! Lines for people: the URL stands out, trouble goes to stderr, and a request is one line.

use super::clock::time_of_day;
use super::text::{milliseconds, printable, shortened, size, span};
use super::{Entry, Event, Output, Page};
use crate::limits;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use std::fmt::Write;
use std::time::SystemTime;

/// What lines for people depend on.
pub(super) struct Human {
    output: Output,
    color: bool,
    qr: bool,
    /// The URL that was shown last, so that a link that returns is one line.
    shown: Option<String>,
}

impl Human {
    pub(super) fn new(output: Output, color: bool, qr: bool) -> Self {
        Self { output, color, qr, shown: None }
    }

    /// Adds the event's lines.
    pub(super) fn render(&mut self, entry: &Entry, page: &mut Page) {
        let quiet = self.output.quiet;
        match &entry.event {
            Event::Online { url, .. } if self.shown.as_ref() == Some(url) => {
                if !quiet {
                    line(&mut page.out, &[&self.at(entry), "online again:", url]);
                }
            }
            Event::Online { url, .. } => {
                self.banner(&entry.event, page);
                self.shown = Some(url.clone());
            }
            Event::Offline { reason, retry } => {
                let retry = if retry.is_zero() { "now".to_owned() } else { format!("in {:.1} s", retry.as_secs_f64()) };
                let rest = format!("{}; trying again {retry}", printable(reason));
                line(&mut page.err, &[&time_of_day(entry.at), "offline:", &rest]);
            }
            _ if quiet => {}
            Event::Request { .. } => self.request(entry, &mut page.out),
            Event::Notice(text) => line(&mut page.err, &[&time_of_day(entry.at), &printable(text)]),
            Event::Summary { exchanges, failed, bytes_in, bytes_out, elapsed } => {
                let (up, down) = (size(*bytes_in), size(*bytes_out));
                let text = format!("{exchanges} requests ({failed} failed), {up} in, {down} out, {}", span(*elapsed));
                line(&mut page.out, &[&self.at(entry), &text]);
            }
        }
    }

    /// Quiet or not, the first line is the URL and nothing else, ready to be cut out of a pipe.
    fn banner(&self, event: &Event, page: &mut Page) {
        let Event::Online { url, stream_url, lan, service, port_taken, inspector, .. } = event else { return };
        let url = printable(url);
        line(&mut page.out, &[&self.paint("1", &url)]);
        if !self.output.quiet {
            line(&mut page.out, &["  leads to", &printable(service)]);
            if let Some(stream_url) = stream_url {
                line(&mut page.out, &["  for streams and large answers:", &printable(stream_url)]);
            }
            for other in lan {
                line(&mut page.out, &["  on your network:", &printable(other)]);
            }
            if let Some(inspector) = inspector {
                line(&mut page.out, &["  inspector:", inspector]);
            }
            if let Some(port) = port_taken {
                line(
                    &mut page.out,
                    &["  port", &port.to_string(), "is another program's, so this is the next free one"],
                );
            }
        }
        if self.qr {
            // A phone reaches the address on the network; a name under localhost it does not.
            self.qr_code(lan.first().map_or(&url, |other| other), page);
        }
    }

    fn qr_code(&self, url: &str, page: &mut Page) {
        let Ok(code) = QrCode::new(url) else {
            return line(&mut page.err, &["the URL is too long for a QR code"]);
        };
        let mut picture = code.render::<Dense1x2>();
        // Blocks are the terminal's foreground: with colours it is set, without them it is taken to be the lighter one.
        let dark_blocks = self.color;
        if !dark_blocks {
            picture.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
        }
        for row in picture.build().lines() {
            line(&mut page.out, &[&self.paint("30;107", row)]);
        }
    }

    fn request(&self, entry: &Entry, out: &mut String) {
        let Event::Request { method, target, status, bytes, elapsed, from, fault, websocket, cut } = &entry.event
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
        let status = self.paint(color, &status.to_string());
        line(out, &[&self.at(entry), method.as_str(), &path, &status, &size(*bytes), &milliseconds(*elapsed)]);
        out.pop();
        let notes = [
            websocket.then(|| "websocket".to_owned()),
            fault.map(|code| self.paint("31", code.as_str())),
            cut.then(|| self.paint("31", "cut short")),
            from.filter(|_| self.output.verbose).map(|address| format!("from {address}")),
        ];
        for note in notes.into_iter().flatten() {
            write!(out, " {note}").expect("a String takes everything");
        }
        out.push('\n');
    }

    fn at(&self, entry: &Entry) -> String {
        self.paint("2", &time_of_day(entry.at))
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Adds the line that says how many requests have none.
pub(super) fn render_dropped(requests: u64, page: &mut Page) {
    let text = format!("{requests} requests are not shown: the output is not taken fast enough");
    line(&mut page.err, &[&time_of_day(SystemTime::now()), &text]);
}

fn line(to: &mut String, words: &[&str]) {
    to.push_str(&words.join(" "));
    to.push('\n');
}
