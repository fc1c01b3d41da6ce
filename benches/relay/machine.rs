//! What the figures were measured on; read, never guessed.

use std::{fs, process::Command, thread};

use anyhow::{Context, Result};

/// Date, processor, cores, kernel and load, in one sentence.
pub(crate) fn describe() -> Result<String> {
    let date = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output().context("could not start `date`")?;
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(format!(
        "{}; {}, {} cores; Linux {}; load average {} at the start",
        String::from_utf8_lossy(&date.stdout).trim(),
        model.unwrap_or(std::env::consts::ARCH), // Arm kernels name no model
        thread::available_parallelism()?,
        kernel.trim(),
        load.split(' ').next().unwrap_or_default(),
    ))
}
