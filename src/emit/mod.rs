//! From translated functions to the file.
//!
//! | phase | file |
//! |---|---|
//! | which functions go into which LLVM module | [`shards`] |
//! | line table, inlined functions, variables | [`debug`] |
//! | the text that lines are shown of | [`listing`] |
//! | entry thunks, the trap function | [`thunks`] |
//! | first contents of memories | [`image`] |
//! | first contents of tables | [`table_image`] |
//! | tables that never change | [`fixed_tables`] |
//! | what the module says of itself | [`descriptor`] |
//! | what is kept of the wasm file for debugging | [`kept`] |
//! | objects to `.so` | [`link`] |
//! | the sources' debug information in it | [`source`] |

pub mod debug;
pub mod descriptor;
pub mod fixed_tables;
pub mod image;
pub mod kept;
pub mod link;
pub mod listing;
pub mod shards;
pub mod source;
pub mod table_image;
pub mod thunks;
