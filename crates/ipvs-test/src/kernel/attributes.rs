//! The attributes of a request. An attribute that is missing or too short is refused with `EINVAL`.

use rustix::io::Errno;

use crate::messages;

/// The attributes of a payload or of a nest.
#[derive(Debug)]
pub(super) struct Attributes<'a>(Vec<(u16, &'a [u8])>);

impl<'a> Attributes<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(messages::attributes(bytes))
    }

    pub(super) fn has(&self, kind: u16) -> bool {
        self.find(kind).is_some()
    }

    /// The value of an attribute; the last counts.
    pub(super) fn find(&self, kind: u16) -> Option<&'a [u8]> {
        self.0.iter().rev().find(|(found, _)| *found == kind).map(|(_, value)| *value)
    }

    pub(super) fn nest(&self, kind: u16) -> Result<Attributes<'a>, Errno> {
        self.find(kind).map(Attributes::of).ok_or(Errno::INVAL)
    }

    /// The first `N` bytes of an attribute.
    pub(super) fn bytes<const N: usize>(&self, kind: u16) -> Result<[u8; N], Errno> {
        let value = self.find(kind).ok_or(Errno::INVAL)?;
        value.first_chunk().copied().ok_or(Errno::INVAL)
    }

    pub(super) fn u8(&self, kind: u16) -> Result<u8, Errno> {
        self.bytes(kind).map(u8::from_ne_bytes)
    }

    pub(super) fn u16(&self, kind: u16) -> Result<u16, Errno> {
        self.bytes(kind).map(u16::from_ne_bytes)
    }

    pub(super) fn u32(&self, kind: u16) -> Result<u32, Errno> {
        self.bytes(kind).map(u32::from_ne_bytes)
    }

    /// A text up to its NUL.
    pub(super) fn text(&self, kind: u16) -> Result<String, Errno> {
        let value = self.find(kind).ok_or(Errno::INVAL)?;
        let text = value.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8(text.to_vec()).map_err(|_| Errno::INVAL)
    }
}
