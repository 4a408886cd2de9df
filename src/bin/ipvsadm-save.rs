//! ipvsadm-save(8).

use std::process::ExitCode;

fn main() -> ExitCode {
    ipvs::cli::ipvsadm_save()
}
