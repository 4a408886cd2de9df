//! The set of the option groups on a line, and the groups that each command requires and rejects.
//!
//! Knows the table of options; knows no values.

use crate::table::{COMMANDS, CommandName, OPTIONS, OptionName, OptionSpec, Presence};

/// A set of option groups: those of the options on a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OptionGroups(u128);

impl OptionGroups {
    pub(super) fn contains(self, group: OptionName) -> bool {
        self.0 & (1 << group as u8) != 0
    }

    /// Adds a group. Returns false if the set contains it already.
    pub(super) fn insert(&mut self, group: OptionName) -> bool {
        let before = self.0;
        self.0 |= 1 << group as u8;
        self.0 != before
    }

    /// The first option in the table whose group the set contains and `allowed` lacks.
    pub(super) fn first_beside(self, allowed: &[OptionName]) -> Option<&'static OptionSpec> {
        OPTIONS.iter().find(|spec| self.contains(spec.group) && !allowed.contains(&spec.group))
    }

    /// The first option in the table that the command requires and the set lacks, or that the command rejects and the
    /// set contains.
    pub(super) fn first_fault(self, command: CommandName) -> Option<&'static OptionSpec> {
        let GroupMasks { required, refused } = *GROUP_MASKS.get(command as usize)?;
        // Only a listing of connections accepts a real server.
        let is_bare_list = command == CommandName::List && !self.contains(OptionName::Connection);
        let refused = if is_bare_list { refused | BARE_LIST_REFUSES } else { refused };
        let faults = (required & !self.0) | (refused & self.0);
        // The bit of a group is the place of its first option in the table. Without a fault the place is 128, which is
        // behind the table.
        OPTIONS.get(usize::try_from(faults.trailing_zeros()).ok()?)
    }
}

/// The groups that a listing of anything but connections rejects.
const BARE_LIST_REFUSES: u128 = 1 << OptionName::RealServer as u8;

/// The groups that a command requires and rejects, a bit for each.
#[derive(Clone, Copy)]
struct GroupMasks {
    required: u128,
    refused: u128,
}

impl GroupMasks {
    const fn of(command: CommandName) -> Self {
        let mut masks = Self { required: 0, refused: 0 };
        let mut rest = OPTIONS;
        while let [spec, after @ ..] = rest {
            let bit = 1 << spec.group as u8;
            match spec.presence_with(command) {
                Presence::Required => masks.required |= bit,
                Presence::Refused => masks.refused |= bit,
                Presence::Allowed => {}
            }
            rest = after;
        }
        masks
    }
}

/// The masks by [`CommandName`], made at compile time since every rule line is checked.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it and would report it")]
static GROUP_MASKS: [GroupMasks; COMMANDS.len()] = {
    let mut all = [GroupMasks { required: 0, refused: 0 }; COMMANDS.len()];
    let mut rest = COMMANDS;
    while let [spec, after @ ..] = rest {
        all[spec.command as usize] = GroupMasks::of(spec.command);
        rest = after;
    }
    all
};
