//! Objects to one ELF file, in process.

use crate::error::Error;
use crate::llvm::sys;
use crate::options::Options;
use rustix::fs::{MemfdFlags, memfd_create};
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
    let output = output
        .to_str()
        .ok_or_else(|| Error::Link(format!("the output path {} is not UTF-8", output.display())))?;
    let mut args: Vec<String> = vec!["-o".to_owned(), output.to_owned()];
    if shared {
        args.extend(SHARED.iter().map(|&a| a.to_owned()));
    } else {
        args.push("-r".to_owned());
    }
    args.extend(files.iter().map(|f| format!("/proc/{own}/fd/{}", f.as_raw_fd())));
    match &options.linker {
        None => sys::lld(&args).map_err(Error::Link),
        Some(linker) => external(linker, &args),
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

fn external(linker: &Path, args: &[String]) -> Result<(), Error> {
    let result = Command::new(linker).args(args).output();
    let output = result
        .map_err(|e| Error::Link(format!("cannot run the linker {}: {e}", linker.display())))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Link(format!("{} ended with {}: {text}", linker.display(), output.status)))
}
