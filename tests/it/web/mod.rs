mod access;
mod edges;
mod facts;
mod forms;
mod hostile;
mod pages;
mod portal;
mod samples;
