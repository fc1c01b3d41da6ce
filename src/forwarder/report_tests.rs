use super::*;
use crate::fault::Code;
use http::Method;
use serde_json::Value;
use std::io::BufRead;
use std::sync::mpsc;
use std::time::{Duration, UNIX_EPOCH};

const PLAIN: Output = Output { json: false, quiet: false, verbose: false, tui: false, color: ColorChoice::Never };
const JSON: Output = Output { json: true, ..PLAIN };
const QUIET: Output = Output { quiet: true, ..PLAIN };
const GREY: Colors = Colors { out: false, err: false };

fn online() -> Event {
    Event::Online {
        name: "brave-otter".into(),
        url: "http://brave-otter.localhost:8081".into(),
        stream_url: None,
        lan: vec!["http://192.0.2.5:8081".into()],
        service: "localhost:8000".into(),
        port_taken: Some(8080),
        inspector: Some("http://127.0.0.1:4040".into()),
    }
}

fn request(target: &str) -> Event {
    Event::Request {
        method: Method::GET,
        target: target.to_owned(),
        status: 200,
        bytes: 1536,
        elapsed: Duration::from_micros(4_240),
        from: Some("192.0.2.9".parse().expect("an address")),
        fault: None,
        websocket: false,
        cut: false,
        inspected: Some(7),
    }
}

fn failed_websocket() -> Event {
    let mut event = request("/ws");
    if let Event::Request { status, fault, websocket, cut, from, .. } = &mut event {
        (*status, *fault, *websocket, *cut, *from) = (502, Some(Code::ServiceUnreachable), true, true, None);
    }
    event
}

fn offline() -> Event {
    Event::Offline { reason: "no answer\x1b[2J".into(), retry: Duration::from_millis(1_500) }
}

fn summary() -> Event {
    let elapsed = Duration::from_secs(123);
    Event::Summary { exchanges: 12, failed: 1, bytes_in: 10, bytes_out: 2048, elapsed }
}

/// What all of these events look like at 12:34:56, on stdout and on stderr.
fn rendered(output: Output, colors: Colors, qr: bool, events: &[Event]) -> (String, String) {
    let events: Vec<_> = events.iter().map(|event| (None, event.clone())).collect();
    rendered_of(output, colors, qr, &events)
}

/// The same for events of several tunnels.
fn rendered_of(output: Output, colors: Colors, qr: bool, events: &[(Option<&str>, Event)]) -> (String, String) {
    let mut style = match output.json {
        true => Style::Json { quiet: output.quiet },
        false => Style::Human(Human::new(output, colors, qr)),
    };
    let mut page = Page::default();
    for (tunnel, event) in events {
        let at = UNIX_EPOCH + Duration::from_millis(45_296_789);
        style.render(&Entry { at, tunnel: tunnel.map(Arc::from), event: event.clone() }, &mut page);
    }
    (page.out, page.err)
}

#[test]
fn people_read_one_line_a_request_on_stderr_and_programs_the_url_on_stdout() {
    let events =
        [online(), request("/x?y"), failed_websocket(), offline(), online(), Event::Notice("hm".into()), summary()];
    let (out, err) = rendered(PLAIN, GREY, false, &events);
    let expected = "  leads to localhost:8000
  on your network: http://192.0.2.5:8081
  inspector: http://127.0.0.1:4040
  port 8080 is another program's, so this is the next free one
12:34:56Z GET /x?y 200 1.5 KiB 4.2 ms
12:34:56Z GET /ws 502 1.5 KiB 4.2 ms websocket service-unreachable cut short
12:34:56Z offline: no answer\\u{1b}[2J; trying again in 1.5 s
12:34:56Z online again: http://brave-otter.localhost:8081
12:34:56Z hm
12:34:56Z 12 requests (1 failed), 10 B in, 2.0 KiB out, 2 min 3 s
";
    assert_eq!(err, expected);
    assert_eq!(out, "http://brave-otter.localhost:8081\n");
}

#[test]
fn lines_of_several_tunnels_say_whose_they_are_in_a_column() {
    let (web, docs) = (Some("web"), Some("docs"));
    let events = [
        (web, online()),
        (docs, online()),
        (web, request("/x")),
        (docs, offline()),
        (docs, online()),
        (None, summary()),
    ];
    let (out, err) = rendered_of(PLAIN, GREY, false, &events);
    assert_eq!(out, "http://brave-otter.localhost:8081\n".repeat(2));
    for line in [
        "  web leads to localhost:8000\n",
        "  docs leads to localhost:8000\n",
        "12:34:56Z web  GET /x 200 1.5 KiB 4.2 ms\n",
        "12:34:56Z docs offline: no answer",
        "12:34:56Z docs online again: http://brave-otter.localhost:8081\n",
        "12:34:56Z 12 requests (1 failed)",
    ] {
        assert!(err.contains(line), "{line:?} is not in {err}");
    }
    let (out, _) = rendered_of(JSON, GREY, false, &events);
    let whose: Vec<Value> = out.lines().map(|line| object(line)["tunnel"].clone()).collect();
    assert_eq!(whose, ["web".into(), "docs".into(), "web".into(), "docs".into(), "docs".into(), Value::Null]);
}

#[test]
fn a_labelled_reporter_shares_the_queue_and_marks_its_own_events() {
    let (mut reader, out) = io::pipe().expect("a pipe");
    let reporter = Reporter::write_to(JSON, GREY, false, out, io::sink()).expect("a thread");
    let (web, docs) = (reporter.labelled("web"), reporter.labelled("docs"));
    web.report(request("/1"));
    docs.report(request("/2"));
    reporter.report(request("/3"));
    reporter.finish();
    let mut said = String::new();
    io::Read::read_to_string(&mut reader, &mut said).expect("the writer is gone");
    let said: Vec<_> =
        said.lines().map(|line| (object(line)["tunnel"].clone(), object(line)["path"].clone())).collect();
    let expected = [("web".into(), "/1".into()), ("docs".into(), "/2".into()), (Value::Null, "/3".into())];
    assert_eq!(said, expected);
    web.report(request("/late"));
    assert_eq!(web.queue.lock().entries.len(), 0);
}

#[test]
fn verbose_lines_tell_where_a_visitor_came_from() {
    let verbose = Output { verbose: true, ..PLAIN };
    let (_, err) = rendered(verbose, GREY, false, &[request("/")]);
    assert!(err.ends_with("4.2 ms from 192.0.2.9\n"), "{err}");
}

#[test]
fn quiet_leaves_the_url_and_trouble() {
    let events = [online(), request("/"), offline(), online(), Event::Notice("hm".into()), summary()];
    let (out, err) = rendered(QUIET, GREY, false, &events);
    assert_eq!(out, "http://brave-otter.localhost:8081\n");
    assert!(err.contains("offline") && err.lines().count() == 1, "{err}");
    let (out, err) = rendered(Output { json: true, ..QUIET }, GREY, false, &events);
    let kinds: Vec<Value> = out.lines().map(|line| object(line)["event"].clone()).collect();
    assert_eq!(kinds, ["online", "offline", "online"]);
    assert_eq!(err, "");
}

#[test]
fn a_visitor_cannot_write_to_the_terminal() {
    let events = [request("/\u{9b}2J\u{202e}"), request(&format!("/{}", "a".repeat(5_000)))];
    let (_, err) = rendered(PLAIN, GREY, false, &events);
    assert!(err.contains("/\\u{9b}2J\\u{202e} 200"), "{err}");
    assert!(err.lines().all(|line| line.chars().count() < limits::REPORT_PATH + 60), "{err}");
}

#[test]
fn each_stream_has_colours_only_when_it_can_show_them() {
    let events = [online(), request("/"), failed_websocket(), offline(), summary()];
    for (out, err) in [(false, false), (true, false), (false, true), (true, true)] {
        let (url, lines) = rendered(PLAIN, Colors { out, err }, true, &events);
        assert_eq!((url.contains('\x1b'), lines.contains('\x1b')), (out, err), "{url}{lines}");
    }
    let (url, lines) = rendered(PLAIN, Colors { out: true, err: true }, false, &events);
    assert_eq!(url, "\x1b[1mhttp://brave-otter.localhost:8081\x1b[0m\n");
    assert!(lines.contains("\x1b[32m200\x1b[0m") && lines.contains("\x1b[31m502\x1b[0m"), "{lines}");
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn programs_read_one_object_a_line_on_stdout() {
    let events = [online(), request("/x?y"), failed_websocket(), offline(), Event::Notice("a\nb".into()), summary()];
    let (out, err) = rendered(JSON, Colors { out: true, err: true }, false, &events);
    assert_eq!(err, "");
    let time = r#""time":"1970-01-01T12:34:56.789Z""#;
    let expected = [
        format!(
            r#"{{"event":"online",{time},"url":"http://brave-otter.localhost:8081","urls":["http://brave-otter.localhost:8081","http://192.0.2.5:8081"],"name":"brave-otter","service":"localhost:8000","port_taken":8080,"inspector":"http://127.0.0.1:4040"}}"#
        ),
        format!(
            r#"{{"event":"request",{time},"method":"GET","path":"/x?y","status":200,"bytes":1536,"ms":4.24,"from":"192.0.2.9"}}"#
        ),
        format!(
            r#"{{"event":"request",{time},"method":"GET","path":"/ws","status":502,"bytes":1536,"ms":4.24,"error":"service-unreachable","websocket":true,"cut":true}}"#
        ),
        format!(r#"{{"event":"offline",{time},"reason":"no answer\u001b[2J","retry_seconds":1.5}}"#),
        format!(r#"{{"event":"notice",{time},"text":"a\nb"}}"#),
        format!(
            r#"{{"event":"summary",{time},"exchanges":12,"failed":1,"bytes_in":10,"bytes_out":2048,"seconds":123.0}}"#
        ),
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    assert!(out.lines().all(|line| object(line).is_object()));
}

#[test]
fn the_qr_code_is_the_url_that_a_phone_can_reach() {
    for color in [false, true] {
        // The picture is for people; what the other stream can show does not matter.
        let (out, err) = rendered(QUIET, Colors { out: !color, err: color }, true, &[online()]);
        assert_eq!(out.lines().count(), 1);
        let code = qrcode::QrCode::new("http://192.0.2.5:8081").expect("short enough");
        let rows: Vec<Vec<char>> = err.lines().map(|row| blocks(row).collect()).collect();
        let width = code.width() + 8;
        assert_eq!(rows.len(), width.div_ceil(2));
        for y in 0..code.width() {
            for x in 0..code.width() {
                let (row, column) = ((y + 4) / 2, x + 4);
                let filled = match rows[row][column] {
                    '█' => true,
                    '▀' => y % 2 == 0,
                    '▄' => y % 2 == 1,
                    _ => false,
                };
                let dark = code[(x, y)] == qrcode::Color::Dark;
                assert_eq!(filled == color, dark, "module {x},{y}, colours: {color}");
            }
        }
    }
}

fn blocks(row: &str) -> impl Iterator<Item = char> {
    row.chars().filter(|c| matches!(c, ' ' | '█' | '▀' | '▄'))
}

/// A stream that is taken only as far as the test lets it.
struct Gated {
    passes: mpsc::Receiver<()>,
    written: io::PipeWriter,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // When the test has dropped its end, everything passes.
        let _either = self.passes.recv();
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.written.flush()
    }
}

#[test]
fn output_that_nobody_takes_holds_up_nobody_and_what_is_missing_is_counted() {
    let (reader, written) = io::pipe().expect("a pipe");
    let (pass, passes) = mpsc::channel();
    let reporter = Reporter::write_to(JSON, GREY, false, Gated { passes, written }, io::sink()).expect("a thread");
    let more = 500;
    let before = Instant::now();
    for _ in 0..limits::REPORT_LINES * 2 + more {
        reporter.report(request("/"));
    }
    reporter.report(Event::Notice("still said".into()));
    assert!(before.elapsed() < Duration::from_secs(5), "reporting waited for the output");
    drop(pass);
    let reading =
        std::thread::spawn(move || io::BufReader::new(reader).lines().map_while(Result::ok).collect::<Vec<_>>());
    reporter.finish();
    let lines: Vec<Value> = reading.join().expect("it only reads").iter().map(|line| object(line)).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["event"] == kind).collect::<Vec<_>>();
    let dropped: u64 = of("dropped").iter().filter_map(|line| line["requests"].as_u64()).sum();
    assert!(dropped > 0, "the queue took everything");
    assert_eq!(of("request").len() as u64 + dropped, (limits::REPORT_LINES * 2 + more) as u64);
    assert_eq!(of("notice").len(), 1);
}

#[test]
fn a_broken_pipe_ends_the_output_and_nothing_else() {
    let (reader, broken) = io::pipe().expect("a pipe");
    drop(reader);
    let (mut stderr, err) = io::pipe().expect("a pipe");
    let reporter = Reporter::write_to(PLAIN, GREY, false, broken, err).expect("a thread");
    reporter.report(online());
    reporter.report(offline());
    reporter.finish();
    let mut said = String::new();
    io::Read::read_to_string(&mut stderr, &mut said).expect("the writer is gone");
    assert!(said.contains("offline"), "{said}");
}

#[test]
fn finishing_does_not_wait_for_ever_and_later_events_are_lost() {
    let (_reader, written) = io::pipe().expect("a pipe");
    let (_pass, passes) = mpsc::channel();
    let reporter = Reporter::write_to(PLAIN, GREY, false, io::sink(), Gated { passes, written }).expect("a thread");
    reporter.report(request("/"));
    let other = reporter.clone();
    let before = Instant::now();
    reporter.finish();
    assert!(before.elapsed() < limits::REPORT_FLUSH + Duration::from_secs(5));
    other.report(request("/"));
    assert_eq!(other.queue.lock().entries.len(), 0);
}
