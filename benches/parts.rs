//! The parts that see every line and every message.
fn main() {}
