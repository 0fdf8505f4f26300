//! The command line of `wasmrun`: what can be asked for. Does nothing yet.

use super::profile::ProfileFile;
use super::watch::Signal;
use clap::builder::RangedI64ValueParser;
use clap::{ArgAction, ColorChoice, Parser, ValueEnum};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use wasmrun::Profiler;
use wasmrun::trace::Format;

/// Run a WebAssembly module that wasm2so compiled.
///
/// The module gets WASI preview 1: its arguments, standard streams, clocks and
/// random numbers; and of files and environment only what --dir and --env name.
#[derive(Debug, Parser)]
#[command(
    name = "wasmrun",
    version,
    override_usage = "wasmrun [OPTIONS] <LIB.SO> [ARGS]...\n       \
        wasmrun [OPTIONS] symbolize <LIB.SO> [INPUT]...\n       \
        wasmrun symbolize --core <CORE> [LIB.SO]...",
    max_term_width = 80,
    arg_required_else_help = true,
    after_long_help = EXIT_STATUS
)]
pub struct Options {
    /// The shared object, then what belongs to it: the arguments of the
    /// program, or with --invoke those of the function
    #[arg(
        value_names = ["LIB.SO", "ARGS"],
        trailing_var_arg = true,
        required_unless_present_any = ["man", "completions"]
    )]
    pub module_and_args: Vec<OsString>,

    /// Give the program a directory of the host, under another name if GUEST
    /// is given
    #[arg(long = "dir", value_name = "HOST[::GUEST]", help_heading = "WASI")]
    pub dirs: Vec<Directory>,

    /// Set an environment variable of the program; without a value, to the
    /// host's if it is set there
    #[arg(long = "env", value_name = "NAME[=VALUE]", help_heading = "WASI")]
    pub env: Vec<Variable>,

    /// Call this exported function instead of the program's start, and print
    /// its results, one a line
    ///
    /// Integers may be written in decimal or as 0x…; a v128 as 0x… or as its
    /// lanes, i32x4:1,2,3,4.
    #[arg(long, value_name = "FUNCTION")]
    pub invoke: Option<String>,

    /// Most bytes of linear memory, all memories together, such as 64M
    ///
    /// K, M and G (also KiB, MiB, GiB) are powers of 1024; KB, MB and GB of
    /// 1000.
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub max_memory: Option<Size>,

    /// Bytes of stack that wasm code may use; 8M if this is not given
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub max_stack: Option<Size>,

    #[command(flatten)]
    pub trace: TraceOption,

    /// Tell where the program is, in the format of --trace, and go on, whenever
    /// this signal comes
    #[arg(long, value_name = "SIGNAL", help_heading = "Output")]
    pub trace_on: Option<Signal>,

    /// Sample where the program spends its CPU time, and write that when it ends:
    /// .json is for the Firefox Profiler (profiler.firefox.com), .folded or .txt
    /// for flame graph tools
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub profile: Option<ProfileFile>,

    /// Samples in each second of CPU time, up to 10000
    #[arg(
        long,
        value_name = "HZ",
        default_value_t = 1000,
        value_parser = rates(),
        requires = "profile",
        help_heading = "Output"
    )]
    pub profile_rate: u32,

    /// If the program traps, write a WebAssembly core dump: stack, locals, memories
    /// and globals
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub coredump: Option<PathBuf>,

    /// Take source positions in traces from this file: the wasm with its DWARF,
    /// or a source map
    ///
    /// It is not needed for what was compiled with --keep-dwarf, or where the
    /// wasm file still is beside the shared object.
    #[arg(long, value_name = "FILE.WASM", help_heading = "Output")]
    pub debug_file: Option<PathBuf>,

    /// Colour in messages
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto, help_heading = "Output")]
    pub color: ColorChoice,

    /// Tell what happens; twice: also every WASI call
    #[arg(short, long, action = ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// Print the completions for a shell
    #[arg(long, value_name = "SHELL", hide = true)]
    pub completions: Option<Shell>,

    /// Print the manual page
    #[arg(long, hide = true)]
    pub man: bool,
}

const EXIT_STATUS: &str = "`wasmrun symbolize` tells what addresses and offsets in the INPUT mean; \
    see `wasmrun symbolize --help`.\n\nThe exit status is the program's own; 134 after a trap; 2 for a wrong \
    command line; and 1 if the module cannot be loaded or linked, or anything else fails.";

fn rates() -> RangedI64ValueParser<u32> {
    let (low, high) = Profiler::RATES.into_inner();
    clap::value_parser!(u32).range(i64::from(low)..=i64::from(high))
}

impl Options {
    /// The shared object, and what follows it.
    pub fn module_and_args(&self) -> (&Path, &[OsString]) {
        let (module, args) = self.module_and_args.split_first().expect("required by the parser");
        (Path::new(module), args)
    }
}

/// `--trace`
#[derive(Debug, clap::Args)]
pub struct TraceOption {
    /// What to print of a trap; --trace alone means full
    #[arg(
        id = "trace",
        long = "trace",
        value_name = "FORMAT",
        num_args = 0..=1,
        require_equals = true,
        default_value = "short",
        default_missing_value = "full",
        help_heading = "Output"
    )]
    pub format: TraceFormat,
}

/// How a trace is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TraceFormat {
    /// One line a frame: offset in the module, function
    Short,
    /// All that is known
    Full,
    /// As browsers write it
    Web,
    /// One JSON object on one line
    Json,
    /// Only why it trapped
    Off,
}

impl From<TraceFormat> for Format {
    fn from(format: TraceFormat) -> Format {
        match format {
            TraceFormat::Short => Format::Short,
            TraceFormat::Full => Format::Full,
            TraceFormat::Web => Format::Web,
            TraceFormat::Json => Format::Json,
            TraceFormat::Off => Format::Off,
        }
    }
}

/// `--dir`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    pub host: PathBuf,
    pub guest: String,
}

impl FromStr for Directory {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, guest) = text.split_once("::").unwrap_or((text, text));
        if host.is_empty() || guest.is_empty() {
            return Err("a directory is missing; use HOST or HOST::GUEST");
        }
        Ok(Directory { host: host.into(), guest: guest.into() })
    }
}

/// `--env`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    /// None: as the host's.
    pub value: Option<String>,
}

impl FromStr for Variable {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() {
            return Err("the variable's name is missing");
        }
        Ok(Variable { name: name.to_owned(), value })
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NO_SIZE: &str = "not a size such as 65536, 512K, 64MiB or 2G";
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| NO_SIZE)?;
        let unit: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => return Err(NO_SIZE),
        };
        number.checked_mul(unit).map(Size).ok_or("more bytes than there can be")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn what_follows_the_module_is_not_read() {
        let parse = |args: &[&str]| Options::try_parse_from([&["wasmrun"], args].concat());
        let options = parse(&["--env", "A=b=c", "--trace", "x.so", "--env", "-v", "--"]).unwrap();
        assert_eq!(options.env, [Variable { name: "A".into(), value: Some("b=c".into()) }]);
        assert!(matches!(options.trace.format, TraceFormat::Full));
        assert_eq!(options.module_and_args().0, Path::new("x.so"));
        assert_eq!(options.module_and_args().1, ["--env", "-v", "--"]);
        let options = parse(&["--", "x.so", "-1"]).unwrap();
        assert!(matches!(options.trace.format, TraceFormat::Short));
        assert_eq!(options.module_and_args().1, ["-1"]);
        assert!(parse(&[]).is_err());
        assert!(parse(&["--no-such-option", "x.so"]).is_err());
        assert!(parse(&["--man"]).is_ok());
    }

    #[test]
    fn directories() {
        let dir = |host: &str, guest: &str| Directory { host: host.into(), guest: guest.into() };
        assert_eq!("/tmp".parse(), Ok(dir("/tmp", "/tmp")));
        assert_eq!("/tmp::/".parse(), Ok(dir("/tmp", "/")));
        assert!("::/".parse::<Directory>().is_err());
        assert!("/tmp::".parse::<Directory>().is_err());
    }

    #[test]
    fn variables() {
        let parse = str::parse::<Variable>;
        assert_eq!(parse("A").unwrap().value, None);
        assert_eq!(parse("A=").unwrap().value, Some(String::new()));
        assert!(parse("=x").is_err());
    }

    #[test]
    fn sizes() {
        let table = [
            ("0", 0),
            ("65536", 65536),
            ("64K", 64 << 10),
            ("64KiB", 64 << 10),
            ("1m", 1 << 20),
            ("2GB", 2_000_000_000),
            ("10b", 10),
        ];
        for (text, bytes) in table {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "K", "-1", "1.5M", "1 M", "1Kib2", "99999999999G", "1T"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
