//! x
pub mod model;
pub mod netlink;
pub mod names;
pub mod rules;
