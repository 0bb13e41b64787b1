//! The portal: pages rendered on the server, forms that lead to the same verbs as the API.

pub mod ask;
pub mod assets;
pub mod audit;
pub mod commands;
pub mod cookie;
pub mod history;
pub mod home;
pub mod page;
pub mod problem;
pub mod request;
pub mod requests;
pub mod security;
pub mod show;
pub mod sign_in;
