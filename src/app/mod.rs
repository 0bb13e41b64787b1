//! What can be done: one verb per file, and `find` for reading.

pub mod approve;
pub mod asker;
pub mod aws_setup;
pub mod caller;
pub mod catalog;
pub mod console_link;
pub mod credentials;
pub mod ctx;
pub mod deny;
mod desk;
pub mod disable;
pub mod doctor;
pub mod drafts;
pub mod enable;
pub mod end;
pub mod expire;
pub mod extend;
pub mod find;
pub mod last_use;
pub mod limits;
pub mod load;
pub mod machines;
pub mod orphans;
pub mod probe;
pub mod put_on_record;
mod refusals;
pub mod restored;
pub mod resume;
pub mod revoke;
pub mod secrets;
pub mod sessions;
pub mod sign_in;
pub mod submit;
pub mod tokens;
pub mod withdraw;

pub use ctx::{App, Ctx};
