mod access;
mod addresses;
mod edges;
mod facts;
mod forms;
mod hostile;
mod pages;
pub mod portal;
mod samples;
