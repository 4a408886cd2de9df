//! The manual, the help and the completions match the table of options.

#[cfg(test)]
mod completions;
#[cfg(test)]
mod pages;
