//! A service on a thread of its own, in plain std: each path is one awkward or ordinary behaviour.
//!
//! `/echo/TEXT` answers TEXT; `/slow/MS/TEXT` answers after a while; `/body/SEED/SIZE` sends bytes that only this seed
//! gives; `/drip/N` sends N lines, one every 100 ms; `/head/KIB/SIZE` has large headers; `/hang` never answers;
//! `/measure` answers the size of the request's head.

use super::noise;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[derive(Clone)]
pub struct Service {
    pub address: SocketAddr,
    /// Calls that were begun.
    pub calls: Arc<AtomicUsize>,
    /// Calls whose caller left before the answer's end.
    pub left: Arc<AtomicUsize>,
}

impl Service {
    pub fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    pub fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("it is bound");
        let service = Self { address, calls: Arc::default(), left: Arc::default() };
        let shared = service.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let service = shared.clone();
                std::thread::spawn(move || service.serve(stream));
            }
        });
        service
    }

    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
        let mut writer = stream;
        loop {
            let mut request = String::new();
            let (mut length, mut head) = (0, 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                head += line.len();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a length");
                }
                if line == "\r\n" {
                    break;
                }
                if request.is_empty() {
                    request = line;
                }
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            self.calls.fetch_add(1, Ordering::SeqCst);
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let path = if path == "/measure" { format!("/echo/{head}") } else { path };
            if self.answer(&path, &mut writer).is_err() {
                self.left.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    }

    fn answer(&self, path: &str, to: &mut TcpStream) -> std::io::Result<()> {
        let mut words = path.trim_start_matches('/').splitn(3, '/');
        let (kind, first, second) = (words.next(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let whole = |to: &mut TcpStream, extra: &str, body: &[u8]| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{extra}\r\n", body.len());
            to.write_all(&[head.as_bytes(), body].concat())
        };
        match kind {
            Some("slow") => {
                std::thread::sleep(Duration::from_millis(first.parse().expect("milliseconds")));
                whole(to, "", second.as_bytes())
            }
            Some("body") => {
                let body = noise(first.parse().expect("a seed"), second.parse().expect("a size"));
                whole(to, "", &body)
            }
            Some("head") => {
                let large = "\"".repeat(1000);
                let lines: usize = first.parse().expect("kilobytes");
                let extra: String = (0..lines).map(|i| format!("X-Large-{i}: {large}\r\n")).collect();
                whole(to, &extra, &noise(1, second.parse().expect("a size")))
            }
            Some("drip") => {
                to.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n")?;
                for n in 0..first.parse::<usize>().expect("a count") {
                    to.write_all(format!("8\r\nline{n:03}\n\r\n").as_bytes())?;
                    std::thread::sleep(Duration::from_millis(100));
                }
                to.write_all(b"0\r\n\r\n")
            }
            Some("hang") => {
                // Until the caller leaves.
                to.set_read_timeout(Some(Duration::from_secs(60)))?;
                let mut byte = [0; 1];
                match to.read(&mut byte) {
                    Ok(0) => Err(std::io::ErrorKind::ConnectionReset.into()),
                    other => other.map(|_| ()),
                }
            }
            _ => whole(to, "", first.as_bytes()),
        }
    }
}
