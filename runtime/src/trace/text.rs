//! A trace for people: short or full, for 80 columns. May not read anything
//! but the [`Trace`].

use super::collapse::{Line, shorten};
use super::{Entry, Format, Frame, Trace, names, source};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

/// Most lines of a trace, the first not counted.
const MOST_LINES: usize = 64;

/// Of a trace with many lines per entry, so many entries are shown still.
const FEWEST_ENTRIES: usize = 12;

/// What stands where a number would.
const INDENT: &str = "    ";

/// A trace as text.
pub(super) struct Text<'a> {
    trace: &'a Trace<'a>,
    full: bool,
    frames: bool,
    several_modules: bool,
    colour: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(trace: &'a Trace, format: Format, colour: bool) -> Self {
        Text {
            trace,
            full: format == Format::Full,
            frames: format != Format::Off,
            several_modules: several_modules(&trace.entries),
            colour,
        }
    }

    fn paint<T>(&self, style: Style, text: T) -> Painted<T> {
        Painted { style: self.colour.then_some(style), text }
    }

    fn head(&self, f: &mut Formatter) -> fmt::Result {
        let what = match self.trace {
            Trace { running: true, .. } => "wasm stack:",
            Trace { code: Some(_), .. } => "wasm trap:",
            _ => "error:",
        };
        writeln!(f, "{} {}", self.paint(Style::Error, what), self.trace.message)
    }

    fn frame(&self, f: &mut Formatter, number: u64, frame: &Frame) -> fmt::Result {
        let number = self.paint(Style::Faint, format!("#{number:02}:"));
        let offset = self.paint(Style::Offset, Offset::of(frame));
        let name = self.paint(Style::Name, name(frame, self.full));
        write!(f, "{number} {offset} - {name}")?;
        if self.full {
            if frame.inlined {
                write!(f, " {}", self.paint(Style::Faint, "(inlined)"))?;
            }
            write!(f, "\n{INDENT} {}", self.paint(Style::Faint, Details(frame)))?;
        } else if self.several_modules {
            let module = format!("in {}", names::escape_controls(&frame.module));
            write!(f, " {}", self.paint(Style::Faint, module))?;
        }
        writeln!(f)?;
        source::lines(&frame.source, self.full)
            .iter()
            .try_for_each(|line| writeln!(f, "{}", self.paint(Style::Faint, line)))
    }

    /// How many entries to show, so that there are at most some [`MOST_LINES`].
    fn most_entries(&self) -> usize {
        let lines = |entry: &Entry| match entry {
            Entry::Wasm(frame) => 1 + usize::from(self.full) + frame.source.len(),
            Entry::Host | Entry::Omitted(_) => 1,
        };
        let entries = &self.trace.entries;
        let all = entries.iter().map(lines).sum::<usize>().max(1);
        (MOST_LINES * entries.len() / all).clamp(FEWEST_ENTRIES, MOST_LINES)
    }

    /// Stands for entries that are not shown.
    fn more(&self, f: &mut Formatter, hidden: &[Entry]) -> fmt::Result {
        let count = hidden.iter().map(Entry::count).sum();
        let mut text = format!("… {} more frames", Grouped(count));
        let names = function_names(hidden);
        if let Some(names) = names {
            text += " of ";
            text += &names.join(", ");
        }
        self.note(f, text)
    }

    fn note(&self, f: &mut Formatter, text: impl Display) -> fmt::Result {
        writeln!(f, "{INDENT} {}", self.paint(Style::Faint, text))
    }
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        self.head(f)?;
        if !self.frames {
            return Ok(());
        }
        let entries = &self.trace.entries;
        let mut number = 0;
        for line in shorten(entries, self.most_entries()) {
            let shown = match line {
                Line::Frame(at) => at..at + 1,
                Line::More(hidden) => hidden,
            };
            match &entries[shown.clone()] {
                [Entry::Wasm(frame)] => self.frame(f, number, frame)?,
                [Entry::Host] => self.note(f, "-- host --")?,
                [Entry::Omitted(count)] => {
                    self.note(f, format!("… {} frames not recorded", Grouped(*count)))?;
                }
                hidden => self.more(f, hidden)?,
            }
            number += entries[shown].iter().map(Entry::count).sum::<u64>();
        }
        Ok(())
    }
}

fn several_modules(entries: &[Entry]) -> bool {
    let mut modules = entries.iter().filter_map(|entry| match entry {
        Entry::Wasm(frame) => Some(&frame.module),
        Entry::Host | Entry::Omitted(_) => None,
    });
    let first = modules.next();
    modules.any(|module| Some(module) != first)
}

/// Offset and function.
pub(super) fn title(frame: &Frame) -> String {
    format!("{} - {}", Offset::of(frame), name(frame, false))
}

/// The name to show: the module's, else one made of the index.
pub(super) fn name<'a>(frame: &'a Frame, signature: bool) -> Cow<'a, str> {
    match (&frame.name, frame.function) {
        (Some(name), _) => names::readable(name, signature),
        (None, Some(index)) => format!("$f{index}").into(),
        (None, None) => "?".into(),
    }
}

/// The functions of `hidden` in order of appearance, if they are known, and
/// few enough to be worth naming.
fn function_names<'a>(hidden: &'a [Entry]) -> Option<Vec<Cow<'a, str>>> {
    const MOST: usize = 3;
    let mut functions: Vec<&Frame> = Vec::new();
    for entry in hidden {
        let frame = match entry {
            Entry::Wasm(frame) => frame,
            Entry::Host => continue,
            Entry::Omitted(_) => return None,
        };
        let same = |f: &&Frame| {
            (&f.module, f.function, &f.name) == (&frame.module, frame.function, &frame.name)
        };
        if !functions.iter().any(same) {
            functions.push(frame);
        }
        if functions.len() > MOST {
            return None;
        }
    }
    Some(functions.into_iter().map(|frame| name(frame, false)).collect())
}

/// An offset in the module.
enum Offset {
    Exact(u64),
    Near(u64),
    Unknown,
}

impl Offset {
    fn of(frame: &Frame) -> Self {
        match (frame.offset, frame.near_offset) {
            (Some(offset), _) => Offset::Exact(offset),
            (None, Some(offset)) => Offset::Near(offset),
            (None, None) => Offset::Unknown,
        }
    }
}

impl Display for Offset {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Offset::Exact(offset) => write!(f, "0x{offset:04x}"),
            Offset::Near(offset) => write!(f, "~0x{offset:04x}"),
            Offset::Unknown => f.write_str("0x????"),
        }
    }
}

/// The second line of a frame in full.
struct Details<'a>(&'a Frame<'a>);

impl Display for Details<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let frame = self.0;
        f.write_str(&names::escape_controls(&frame.module))?;
        if let Some(function) = frame.function {
            write!(f, ", function {function}")?;
        }
        if let Some(offset) = frame.function_offset {
            write!(f, "+0x{offset:x}")?;
        }
        if let Some(offset) = frame.native_offset {
            let file = frame.file.rsplit('/').next().unwrap_or_default();
            write!(f, ", {}+0x{offset:x}", names::escape_controls(file))?;
        }
        Ok(())
    }
}

/// A number in groups of three digits.
struct Grouped(u64);

impl Display for Grouped {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let digits = self.0.to_string();
        let (first, rest) = digits.split_at((digits.len() - 1) % 3 + 1);
        f.write_str(first)?;
        rest.as_bytes().chunks(3).try_for_each(|group| write!(f, ",{}", group.escape_ascii()))
    }
}

#[derive(Clone, Copy)]
enum Style {
    Error,
    Name,
    Offset,
    Faint,
}

struct Painted<T> {
    style: Option<Style>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let ansi = match self.style {
            None => return self.text.fmt(f),
            Some(Style::Error) => "1;31",
            Some(Style::Name) => "1",
            Some(Style::Offset) => "36",
            Some(Style::Faint) => "2",
        };
        write!(f, "\x1b[{ansi}m{}\x1b[0m", self.text)
    }
}
