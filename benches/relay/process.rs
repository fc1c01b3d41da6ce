//! Child processes: each is killed when its guard drops, and says what it cost as the kernel counts it.

use std::{
    fs,
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// How often a condition is looked at while waiting for it.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// How long a program may take until it serves.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(10);

/// Lines of a failed program's log that an error quotes.
const QUOTED_LINES: usize = 5;

/// Tells the logs of two runs of one program apart.
static LOGS: AtomicUsize = AtomicUsize::new(0);

/// A child that does not outlive its owner.
pub(crate) struct Running {
    /// Also gives access to the child's piped ends.
    pub(crate) child: Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Starts `command`; its standard error goes to a file in `folder`, quoted when it fails.
    pub(crate) fn spawn(command: &mut Command, folder: &Path) -> Result<Self> {
        let program = Path::new(command.get_program()).to_owned();
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = folder.join(format!("{name}-{}.log", LOGS.fetch_add(1, Ordering::Relaxed)));
        let child = command
            .stdin(Stdio::piped())
            .stderr(File::create(&log).with_context(|| format!("could not write {}", log.display()))?)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        Ok(Self { child, name, log })
    }

    /// Fails if the child has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended with {status}{}", self.name, self.last_words()),
            None => Ok(()),
        }
    }

    /// Waits for the child's own end.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{} ended with {status}{}", self.name, self.last_words()),
                None => thread::sleep(POLL),
            }
        }
        bail!("{} did not end within {limit:?}", self.name)
    }

    /// Waits until something accepts connections at `address`.
    pub(crate) fn wait_for_port(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect_timeout(&address, START_LIMIT).is_err() {
            self.check()?;
            if Instant::now() > deadline {
                bail!("{} does not listen on {address}{}", self.name, self.last_words());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    pub(crate) fn resident(&self) -> Result<Resident> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
        let bytes = |field: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let number = line.and_then(|line| line.split_whitespace().next());
            let kibibytes: f64 = number.with_context(|| format!("no {field} in {path}"))?.parse()?;
            Ok(kibibytes * 1024.0)
        };
        Ok(Resident { now: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
    }

    /// Processor time spent so far, by all threads.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
        // The name in parentheses may hold blanks; user and system time are the 12th and 13th words after it.
        let after_name = stat.rsplit_once(')').context("no name in /proc/PID/stat")?.1;
        let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0) // USER_HZ, fixed by the kernel's interface
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(QUOTED_LINES)..];
        if tail.is_empty() { String::new() } else { format!(": {}", tail.join(" / ")) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a child that has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Resident {
    pub(crate) now: f64,
    pub(crate) peak: f64,
}

/// A loopback address that was free a moment ago, for programs that cannot say which port they took.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
