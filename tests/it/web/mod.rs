mod edges;
mod facts;
mod hostile;
mod pages;
mod samples;
