//! The people's path without HTTP.

mod decisions;
mod inputs;
mod matrix;
mod roles;
mod rows;
mod setup;
