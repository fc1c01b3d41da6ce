//! Those who are compared, and a tunnel of one of them: up when it exists, down when it drops.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{POLL, Resident, Running, START_LIMIT},
    recipe::{self, Recipe, Setting},
    visitor::{Target, Visitor},
};

/// A free port may be taken by another program before ours binds it.
const START_ATTEMPTS: usize = 3;

/// One column of the report.
pub(crate) struct Contender {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    /// Measured unless `--only` says otherwise.
    pub(crate) usual: bool,
    recipe: fn(&Setting) -> Result<Recipe>,
}

/// All columns, in their order; another contender is another line and its recipe.
pub(crate) static CONTENDERS: [Contender; 7] = [
    Contender { key: "direct", label: "direct", usual: true, recipe: recipe::direct },
    Contender { key: "bore", label: "bore", usual: true, recipe: recipe::bore },
    Contender { key: "rathole", label: "rathole", usual: true, recipe: recipe::rathole },
    Contender { key: "ours", label: "relay + forwarder", usual: true, recipe: recipe::separate },
    Contender { key: "embedded", label: "embedded relay", usual: true, recipe: recipe::embedded },
    Contender { key: "inspected", label: "relay + forwarder, inspector on", usual: false, recipe: recipe::inspected },
    Contender {
        key: "embedded-inspected",
        label: "embedded relay, inspector on",
        usual: false,
        recipe: recipe::embedded_inspected,
    },
];

impl Contender {
    /// A tunnel through which the service has answered once.
    pub(crate) fn start(&self, setting: &Setting) -> Result<Tunnel> {
        let mut attempt = 1;
        loop {
            match (self.recipe)(setting).and_then(|recipe| Tunnel::up(recipe, setting.folder)) {
                Err(_) if attempt < START_ATTEMPTS => attempt += 1,
                outcome => return outcome.with_context(|| format!("{} does not start", self.label)),
            }
        }
    }

    /// The public end alone, ready for local ends to come and go; `None` if there is no local end.
    pub(crate) fn await_starts(&self, setting: &Setting) -> Result<Option<Starts>> {
        let Recipe { public, local, is_online, .. } = (self.recipe)(setting)?;
        let public = public_end(public, setting.folder)?;
        Ok(local.map(|local| Starts { _public: public, local, is_online }))
    }
}

/// One tunnel, with the processes that make it.
pub(crate) struct Tunnel {
    pub(crate) target: Target,
    pub(crate) public: Option<Running>,
    pub(crate) local: Option<Running>,
}

impl Tunnel {
    fn up(recipe: Recipe, folder: &Path) -> Result<Self> {
        let Recipe { public, local, target, .. } = recipe;
        let public = public_end(public, folder)?;
        let local = local.map(|mut command| Running::spawn(&mut command, folder)).transpose()?;
        let mut tunnel = Self { target, public, local };
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match tunnel.answers() {
                Ok(()) => return Ok(tunnel),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tunnel.check()?,
            }
            thread::sleep(POLL);
        }
    }

    /// Fails if one of its processes has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.public.iter_mut().chain(&mut self.local).try_for_each(Running::check)
    }

    /// Processor time of all its processes.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        self.public.iter().chain(&self.local).map(Running::cpu_seconds).sum()
    }

    /// Memory of the public and of the local end, where there are such processes.
    pub(crate) fn resident(&self) -> Result<[Option<Resident>; 2]> {
        let side = |running: &Option<Running>| running.as_ref().map(Running::resident).transpose();
        Ok([side(&self.public)?, side(&self.local)?])
    }

    fn answers(&self) -> Result<()> {
        let mut visitor = Visitor::connect(&self.target, Duration::from_secs(1))?;
        visitor.get("/small").map(drop)
    }
}

/// A public end at which local ends are started one after the other.
pub(crate) struct Starts {
    _public: Option<Running>,
    local: std::process::Command,
    is_online: fn(&str) -> bool,
}

impl Starts {
    /// Time from the start of the local end until it says that the tunnel is up.
    pub(crate) fn time(&mut self, folder: &Path) -> Result<Duration> {
        let start = Instant::now();
        let mut local = Running::spawn(&mut self.local, folder)?;
        let output = local.child.stdout.take().context("the local end has no output to read")?;
        let (sender, lines) = mpsc::channel();
        // Ends with the pipe, at the latest when `local` drops.
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        while let Ok(line) = lines.recv_timeout(START_LIMIT.saturating_sub(start.elapsed())) {
            if (self.is_online)(&line) {
                return Ok(start.elapsed());
            }
        }
        local.check()?;
        bail!("the local end did not say within {START_LIMIT:?} that its tunnel is up")
    }
}

fn public_end(public: Option<(std::process::Command, std::net::SocketAddr)>, folder: &Path) -> Result<Option<Running>> {
    let Some((mut command, address)) = public else { return Ok(None) };
    let mut running = Running::spawn(&mut command, folder)?;
    running.wait_for_port(address)?;
    Ok(Some(running))
}
