//! Commands of the channel, for those who look on.

use super::map::Place;

/// Direction of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A command of one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Activate,
    Precharge,
    Column(Access),
}

/// Sees every command with its clock. Commands of one access come in order of time, those of different ones need not.
pub(super) trait Observer {
    /// It does look: refreshes of idle times are told one by one.
    const LOOKS: bool = true;

    /// A bank gets a command.
    fn command(&mut self, command: Command, place: &Place, clock: u64);

    /// All banks are precharged, then refreshed.
    fn refresh(&mut self, precharge: u64, refresh: u64);
}

/// Looks away.
impl Observer for () {
    const LOOKS: bool = false;

    fn command(&mut self, _command: Command, _place: &Place, _clock: u64) {}

    fn refresh(&mut self, _precharge: u64, _refresh: u64) {}
}
