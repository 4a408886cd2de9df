//! ipvsadm-top(8).

use std::process::ExitCode;

fn main() -> ExitCode {
    ipvsadm::programs::ipvsadm_top()
}
