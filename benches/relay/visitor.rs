//! A blocking HTTP/1.1 visitor that counts body bytes and knows a cut body from a whole one.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// Longest silence in a transfer.
pub(crate) const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// Longest transfer, whatever its pace.
const TRANSFER_LIMIT: Duration = Duration::from_secs(120);

/// What is kept of a body: enough for a number.
const BODY_START_BYTES: usize = 32;

/// Large enough that system calls do not show.
const BUFFER_BYTES: usize = 256 << 10;

/// Where a visitor goes, and what it calls that place.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
}

impl Target {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, host: address.to_string() }
    }
}

/// One connection, kept alive between requests.
pub(crate) struct Visitor {
    stream: BufReader<TcpStream>,
    host: String,
    /// Of the last answer.
    body_start: Vec<u8>,
}

/// How the end of a body is told.
enum Framing {
    Length(u64),
    Chunked,
    Close,
}

impl Visitor {
    pub(crate) fn connect(target: &Target, patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&target.address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream: BufReader::with_capacity(BUFFER_BYTES, stream),
            host: target.host.clone(),
            body_start: Vec::new(),
        })
    }

    /// Length of the body of a 200.
    pub(crate) fn get(&mut self, path: &str) -> Result<u64> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host).as_bytes())?;
        let framing = self.read_head()?;
        self.read_body(framing)
    }

    /// Uploads `bytes` zeros; the answer must be their count.
    pub(crate) fn put(&mut self, path: &str, bytes: u64) -> Result<()> {
        self.send(format!("PUT {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {bytes}\r\n\r\n", self.host).as_bytes())?;
        let written = self.send_zeros(bytes);
        // An answer that came early tells more than the broken pipe that it caused.
        let framing = match (self.read_head(), written) {
            (Ok(framing), Ok(())) => framing,
            (Err(error), _) => return Err(error.context("the upload was not answered")),
            (Ok(_), Err(error)) => return Err(error.context("the upload was cut")),
        };
        self.read_body(framing)?;
        let counted = String::from_utf8_lossy(&self.body_start);
        ensure!(counted == bytes.to_string(), "{bytes} bytes were uploaded, {counted} arrived");
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).context("could not send")
    }

    fn send_zeros(&mut self, bytes: u64) -> Result<()> {
        let deadline = Instant::now() + TRANSFER_LIMIT;
        let zeros = vec![0; BUFFER_BYTES];
        let mut left = bytes;
        while left > 0 {
            ensure!(Instant::now() < deadline, "{left} bytes were not sent within {TRANSFER_LIMIT:?}");
            let part = left.min(BUFFER_BYTES as u64);
            self.send(&zeros[..part as usize])?;
            left -= part;
        }
        Ok(())
    }

    fn read_head(&mut self) -> Result<Framing> {
        let status = self.read_line()?;
        let mut framing = Framing::Close;
        let mut fault = String::new();
        loop {
            let line = self.read_line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => framing = Framing::Length(value.trim().parse()?),
                "transfer-encoding" => framing = Framing::Chunked,
                "x-tunnel-error" => fault = format!(" ({})", value.trim()),
                _ => {}
            }
        }
        ensure!(status.split(' ').nth(1) == Some("200"), "answered `{status}`{fault}");
        Ok(framing)
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).context("could not read")?;
        ensure!(line.ends_with('\n'), "the connection was closed in the middle of an answer");
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    fn read_body(&mut self, framing: Framing) -> Result<u64> {
        let deadline = Instant::now() + TRANSFER_LIMIT;
        self.body_start.clear();
        match framing {
            Framing::Length(length) => self.skip(length, deadline),
            Framing::Close => bail!("the answer has no length: a cut body would look whole"),
            Framing::Chunked => {
                let mut total = 0;
                loop {
                    let line = self.read_line()?;
                    let length = u64::from_str_radix(line.split(';').next().unwrap_or_default(), 16)?;
                    total += self.skip(length, deadline)?;
                    ensure!(self.read_line()?.is_empty(), "a chunk is longer than announced");
                    if length == 0 {
                        return Ok(total);
                    }
                }
            }
        }
    }

    fn skip(&mut self, bytes: u64, deadline: Instant) -> Result<u64> {
        let mut left = bytes;
        while left > 0 {
            ensure!(Instant::now() < deadline, "{left} bytes were not read within {TRANSFER_LIMIT:?}");
            let available = self.stream.fill_buf().context("could not read")?;
            ensure!(!available.is_empty(), "the body was cut with {left} bytes to go");
            let part = usize::try_from(left).map_or(available.len(), |left| left.min(available.len()));
            let kept = part.min(BODY_START_BYTES - self.body_start.len());
            self.body_start.extend_from_slice(&available[..kept]);
            self.stream.consume(part);
            left -= part as u64;
        }
        Ok(bytes)
    }
}
