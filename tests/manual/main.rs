//! The manual, the help and the completions match the table of options; the documents match each other.

#[cfg(test)]
mod completions;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod links;
#[cfg(test)]
mod pages;
