//! Objects to one ELF file, in process.

use crate::error::Error;
use crate::llvm::sys;
use crate::options::Options;
use rustix::fs::{MemfdFlags, memfd_create};
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
    "-zrelro",
    "-znoexecstack",
    // One code segment of its own, so that no data is executable.
    "-zseparate-code",
];

/// Links `objects` into `output`: a shared object, or one relocatable object.
///
/// # Errors
/// [`Error::Link`] with the linker's words, [`Error::Io`] when the objects
/// cannot be handed over.
pub fn link(
    objects: &[Vec<u8>],
    output: &Path,
    shared: bool,
    options: &Options,
) -> Result<(), Error> {
    // LLD takes paths; these lead into memory.
    let files = objects.iter().map(|bytes| memory_file(bytes)).collect::<Result<Vec<_>, _>>()?;
    let own = std::process::id();
    let mut args: Vec<OsString> = vec!["-o".into(), output.into()];
    args.extend(if shared { SHARED } else { &["-r"] }.iter().map(Into::into));
    args.extend(files.iter().map(|f| format!("/proc/{own}/fd/{}", f.as_raw_fd()).into()));
    match &options.linker {
        None => sys::lld(&args).map_err(Error::Link),
        Some(linker) => external(linker, &args, output),
    }
}

fn memory_file(bytes: &[u8]) -> Result<File, Error> {
    let io = |source: std::io::Error| Error::Io {
        action: "write",
        path: "an object in memory".into(),
        source,
    };
    let mut file =
        File::from(memfd_create("wasm2so.o", MemfdFlags::CLOEXEC).map_err(|e| io(e.into()))?);
    file.write_all(bytes).map_err(io)?;
    Ok(file)
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
