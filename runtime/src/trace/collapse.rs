//! Shortens a long sequence of frames to the lines worth reading: repeats are
//! hidden, then the middle. Knows only whether two frames are equal.

use std::ops::Range;

/// One line of a shortened trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// This frame.
    Frame(usize),
    /// These frames are hidden.
    More(Range<usize>),
}

/// Recursion through more frames than this is not seen as a cycle.
const LONGEST_CYCLE: usize = 32;

/// Fewer repeated frames than this are shown: hiding them tells less than it
/// costs to understand.
const FEWEST_HIDDEN: usize = 4;

/// The lines to show of `frames`, at most `limit` of them (which must leave
/// room for a head, a tail and a line between them).
///
/// Every repetition of a cycle of frames after its first round is hidden, but
/// for the last one if the trace ends with it. If that does not suffice, so is
/// the middle: two thirds of the room go to the innermost frames, which come
/// first.
pub(super) fn shorten<T: PartialEq>(frames: &[T], limit: usize) -> Vec<Line> {
    let mut lines = hide_repeats(frames);
    if lines.len() > limit {
        let head = (limit - 1) * 2 / 3;
        let tail = lines.len() - (limit - 1 - head);
        let hidden = start(&lines[head])..start(&lines[tail]);
        lines.splice(head..tail, [Line::More(hidden)]);
    }
    lines
}

fn start(line: &Line) -> usize {
    match line {
        Line::Frame(frame) => *frame,
        Line::More(frames) => frames.start,
    }
}

fn hide_repeats<T: PartialEq>(frames: &[T]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < frames.len() {
        match cycle(&frames[at..]) {
            Some((period, repeated)) => {
                lines.extend((at..at + period).map(Line::Frame));
                at += period;
                lines.push(Line::More(at..at + repeated));
                at += repeated;
            }
            None => {
                lines.push(Line::Frame(at));
                at += 1;
            }
        }
    }
    lines
}

/// The shortest cycle that `frames` begins with: its length, and the number of
/// frames in further rounds that are to be hidden.
fn cycle<T: PartialEq>(frames: &[T]) -> Option<(usize, usize)> {
    (1..=LONGEST_CYCLE.min(frames.len() / 2)).find_map(|period| {
        let same = frames.iter().zip(&frames[period..]).take_while(|(a, b)| a == b).count();
        let mut repeated = same - same % period;
        if period + repeated == frames.len() {
            repeated = repeated.saturating_sub(period);
        }
        (repeated >= FEWEST_HIDDEN.max(period)).then_some((period, repeated))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames are letters; hidden ones become `<first-last>`.
    fn shown(frames: &str, limit: usize) -> String {
        let frames = frames.as_bytes();
        let lines = shorten(frames, limit);
        assert!(lines.len() <= limit);
        let text = |line: &Line| match line {
            Line::Frame(i) => char::from(frames[*i]).to_string(),
            Line::More(range) => format!("<{}-{}>", range.start, range.end),
        };
        lines.iter().map(text).collect()
    }

    #[test]
    fn repeats_are_hidden() {
        for frames in ["", "a", "abcabc", "aaaaa", "aaaab"] {
            assert_eq!(shown(frames, 64), frames);
        }
        assert_eq!(shown("aaaaab", 64), "a<1-5>b");
        assert_eq!(shown("xaaaaaaay", 64), "xa<2-8>y");
        // Cycles of several functions, entered and left in the middle.
        assert_eq!(shown("xababababay", 64), "xab<3-9>ay");
        assert_eq!(shown("abcabcabcd", 64), "abc<3-9>d");
        // The shortest cycle wins; another one follows directly.
        assert_eq!(shown("aaaaaaaababababx", 64), "a<1-8>ba<10-14>bx");
        // The outermost frames stay.
        assert_eq!(shown("aaaaaaaa", 64), "a<1-7>a");
        assert_eq!(shown("ababababab", 64), "ab<2-8>ab");
    }

    #[test]
    fn a_long_cycle_is_found_once_repeated() {
        let round: String = (b'A'..b'A' + 30).map(char::from).collect();
        assert_eq!(shown(&round.repeat(3), 90), format!("{round}<30-60>{round}"));
    }

    #[test]
    fn the_middle_is_hidden() {
        let frames: String = (0..26).map(|i| char::from(b'a' + i)).collect();
        assert_eq!(shown(&frames, 26), frames);
        assert_eq!(shown(&frames, 10), "abcdef<6-23>xyz");
        // Hidden repeats in the middle are part of it.
        assert_eq!(shown("abcddddddddddefghijklm", 10), "abcd<4-13>e<14-19>klm");
        assert_eq!(shown("abcdefgggggggggghijklm", 10), "abcdef<6-19>klm");
    }

    #[test]
    fn bounded_work_on_a_deep_stack() {
        let frames: Vec<u32> = (0..200_000).map(|i| i % 7 / 2).collect();
        assert_eq!(shorten(&frames, 64).len(), 11);
    }
}
