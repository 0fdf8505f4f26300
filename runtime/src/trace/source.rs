//! The lines that tell where a frame is in the sources. Knows nothing of the
//! frame itself.

use super::names;
use crate::SourceFrame;

/// Width of a terminal.
const COLUMNS: usize = 80;

/// One line each, the innermost first:
///
/// ```text
///         at helper src/leaf.c:12:9 (inlined)
///         at leaf src/leaf.c:30:3
/// ```
///
/// When `full`, paths are whole and names have their parameters; else a path
/// that is too long for the line loses its beginning.
pub(super) fn lines(frames: &[SourceFrame], full: bool) -> Vec<String> {
    let last = frames.len().saturating_sub(1);
    let line = |(place, frame)| line(frame, place != last, full);
    frames.iter().enumerate().map(line).collect()
}

fn line(frame: &SourceFrame, inlined: bool, full: bool) -> String {
    let name = frame.function.as_deref().map(|name| names::readable(name, full));
    let before = match name {
        Some(name) => format!("        at {name} "),
        None => "        at ".to_owned(),
    };
    let mut after = String::new();
    for number in [frame.line, frame.column].into_iter().flatten() {
        after += &format!(":{number}");
    }
    if inlined {
        after += " (inlined)";
    }
    let file = if full {
        frame.path().map(|path| path.to_string_lossy().into_owned())
    } else {
        frame.file.clone()
    };
    let mut file = names::escape_controls(file.as_deref().unwrap_or("?")).into_owned();
    let taken = before.chars().count() + after.chars().count();
    if !full && taken + file.chars().count() > COLUMNS {
        file = shortened(&file, COLUMNS.saturating_sub(taken));
    }
    before + &file + &after
}

/// The end of a path, from a `/` on, in so many columns; the file's name in any
/// case.
fn shortened(path: &str, columns: usize) -> String {
    let mut ends = path.match_indices('/').map(|(place, _)| &path[place..]);
    let name = path.rfind('/').map(|place| &path[place..]);
    let fitting = ends.find(|end| end.chars().count() < columns);
    match fitting.or(name).filter(|end| end.len() + "…".len() < path.len()) {
        Some(end) => format!("…{end}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str) -> SourceFrame {
        SourceFrame {
            function: Some(function.into()),
            file: Some(file.into()),
            directory: Some("/home/me".into()),
            line: Some(12),
            column: Some(9),
        }
    }

    #[test]
    fn short_and_full() {
        let frames = [frame("helper", "src/a\n.c"), frame("leaf", "/src/b.c")];
        let short =
            ["        at helper src/a\\n.c:12:9 (inlined)", "        at leaf /src/b.c:12:9"];
        assert_eq!(lines(&frames, false), short);
        assert_eq!(lines(&frames, true)[0], "        at helper /home/me/src/a\\n.c:12:9 (inlined)");
        let unknown = [SourceFrame::default()];
        assert_eq!(lines(&unknown, false), ["        at ?"]);
        assert_eq!(lines(&[], false), [""; 0]);
    }

    #[test]
    fn long_paths_lose_their_beginning() {
        let path = format!("{}/library/core/src/panicking.rs", "/deep".repeat(20));
        let short = &lines(&[frame("core::panicking::panic", &path)], false)[0];
        let rest = "/library/core/src/panicking.rs:12:9";
        assert_eq!(short, &format!("        at core::panicking::panic …/deep/deep{rest}"));
        assert!(short.chars().count() <= COLUMNS);
        let name = "n".repeat(70);
        let short = &lines(&[frame(&name, &path)], false)[0];
        assert_eq!(short, &format!("        at {name} …/panicking.rs:12:9"));
        let short = &lines(&[frame(&name, "panicking.rs")], false)[0];
        assert_eq!(short, &format!("        at {name} panicking.rs:12:9"));
    }
}
