//! What can be done: one verb per file, and `find` for reading.

pub mod approve;
pub mod aws_setup;
pub mod catalog;
pub mod console_link;
pub mod credentials;
pub mod ctx;
pub mod deny;
mod desk;
pub mod doctor;
pub mod end;
pub mod expire;
pub mod extend;
pub mod find;
pub mod identities;
pub mod last_use;
pub mod limits;
pub mod load;
pub mod orphans;
pub mod probe;
pub mod put_on_record;
mod refusals;
pub mod restored;
pub mod resume;
pub mod revoke;
pub mod sessions;
pub mod sign_in;
pub mod submit;
pub mod tokens;
pub mod withdraw;

pub use ctx::{App, Ctx};
