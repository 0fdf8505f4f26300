//! The oracle of the traces: is every frame of every trap what it should be?
//!
//! No engine is exact enough to be the judge, so a module is its own: it is
//! rewritten ([`record`]) so that before every site it notes the site's
//! original offset, with a stack of them around calls, and run on an
//! independent engine ([`judge`]). When it traps, the record is the truth. It
//! is compared with what the unmodified module reports when `wasm2so` has
//! compiled it ([`subject`]): the kind of trap, the number of frames, and of
//! each the function and the offset; also results, exported memories and
//! globals. On request, the values of [`locals`] in each frame are compared, too, with
//! those in code that keeps them all.
//!
//! Cases come from [`smith`] (random modules), [`inject`] (real programs that
//! can be made to trap at thousands of their sites), [`loops`] (random loops over
//! arrays), [`kinds`] (every kind of trap in every calling situation) and
//! [`cases`] (what was once wrong).

pub mod arm;
pub mod case;
pub mod cases;
pub mod host;
pub mod inject;
pub mod judge;
pub mod kinds;
pub mod layout;
pub mod locals;
pub mod loops;
pub mod random;
pub mod record;
pub mod report;
pub mod rewrite;
pub mod sites;
pub mod smith;
pub mod subject;
pub mod trace;
