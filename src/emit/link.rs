//! Objects to one ELF file, in process.

use crate::error::Error;
use crate::llvm::sys;
use crate::options::Options;
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

/// Options for a shared object, as `ld.lld` takes them.
const SHARED: &[&str] = &[
    "-shared",
    "--build-id=sha1",
    "--eh-frame-hdr",
    "--hash-style=gnu",
    // Nothing is to be found first elsewhere, nothing bound late.
    "-Bsymbolic",
    "-znow",
    // Most modules have nothing that the loader writes to.
    "-zrodynamic",
    "-zrelro",
    "-znoexecstack",
    // One code segment of its own, so that no data is executable.
    "-zseparate-code",
];

/// An object that waits to be linked, in a file that has no name, so that it
/// takes no memory meanwhile.
pub struct Part(File);

impl Part {
    /// Writes `bytes`, on the file system of `output` if that can do it, else to
    /// memory.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(bytes: &[u8], output: &Path) -> Result<Self, Error> {
        let directory = output.parent().filter(|d| !d.as_os_str().is_empty());
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        rustix::fs::open(directory.unwrap_or(Path::new(".")), flags, Mode::RUSR | Mode::WUSR)
            .or_else(|_| memfd_create("wasm2so.o", MemfdFlags::CLOEXEC))
            .map_err(std::io::Error::from)
            .and_then(|file| {
                let mut file = File::from(file);
                file.write_all(bytes)?;
                Ok(Part(file))
            })
            .map_err(|source| Error::Io {
                action: "write",
                path: "an object to be linked".into(),
                source,
            })
    }
}

/// Links `objects` into `output`: a shared object, or one relocatable object.
///
/// # Errors
/// [`Error::Link`] with the linker's words.
pub fn link(objects: &[Part], output: &Path, shared: bool, options: &Options) -> Result<(), Error> {
    let own = std::process::id();
    let mut args: Vec<OsString> = vec!["-o".into(), output.into()];
    args.extend(if shared { SHARED } else { &["-r"] }.iter().map(Into::into));
    // Linkers take paths; these lead to files without one.
    args.extend(objects.iter().map(|o| format!("/proc/{own}/fd/{}", o.0.as_raw_fd()).into()));
    match &options.linker {
        None => sys::lld(&args).map_err(Error::Link),
        Some(linker) => external(linker, &args, output),
    }
}

fn external(linker: &Path, args: &[OsString], target: &Path) -> Result<(), Error> {
    let name = linker.display();
    let result = Command::new(linker).args(args).output();
    let output = result.map_err(|e| Error::Link(format!("cannot run {name}: {e}")))?;
    let wrote = std::fs::metadata(target).is_ok_and(|file| file.len() > 0);
    if output.status.success() && wrote {
        return Ok(());
    }
    if output.status.success() {
        return Err(Error::Link(format!("{name} wrote nothing")));
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let separator = if text.is_empty() { "" } else { ": " };
    Err(Error::Link(format!("{name} ended with {}{separator}{text}", output.status)))
}
