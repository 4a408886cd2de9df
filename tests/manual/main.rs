//! Manual, help and completions say the same as the table of options, and as each other.

#[cfg(test)]
mod completions;
#[cfg(test)]
mod pages;
