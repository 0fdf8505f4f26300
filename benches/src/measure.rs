//! Runs a program to its end and tells what that took.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// What a process took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// From start to end.
    pub wall: Duration,
    /// Of all processors, by the program and by the kernel for it.
    pub cpu: Duration,
    /// Most memory that was resident, in bytes.
    pub peak_memory: u64,
}

/// Runs `command` and returns what it printed.
///
/// # Errors
/// When it cannot be run, or fails.
pub fn run(command: &mut Command) -> Result<(Cost, Vec<u8>)> {
    // Files, as a full pipe would stop the program.
    let mut stdout = tempfile::tempfile().context("cannot make a temporary file")?;
    let mut stderr = tempfile::tempfile().context("cannot make a temporary file")?;
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    let (status, usage) = wait(&child).with_context(|| format!("cannot wait for {name}"))?;
    let wall = start.elapsed();

    if !status.success() {
        let said = contents(&mut stderr)?;
        let said = String::from_utf8_lossy(&said);
        bail!("{name}: {status}: {}", said.lines().take(3).collect::<Vec<_>>().join(" / "));
    }
    let cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
    let peak_memory = u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024;
    Ok((Cost { wall, cpu, peak_memory }, contents(&mut stdout)?))
}

fn wait(child: &Child) -> io::Result<(ExitStatus, libc::rusage)> {
    let pid = child.id().cast_signed();
    let mut status = 0;
    let mut usage = MaybeUninit::uninit();
    loop {
        // SAFETY: both point to room for what is written.
        if unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) } == pid {
            // SAFETY: the call succeeded, so it wrote it.
            return Ok((ExitStatus::from_raw(status), unsafe { usage.assume_init() }));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn contents(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).context("cannot read output back")?;
    Ok(bytes)
}

fn duration(time: libc::timeval) -> Duration {
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_micros(part(time.tv_usec))
}
