//! `two_nodes` through SIGKILLs, and its two controls, which must be caught.

use std::process::{Command, Output};

/// Ends a run that a slow machine draws out; the audit at its end comes on top.
const SECONDS: &str = "60";

fn two_nodes(mode: &str, kills: u32, seed: u32) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_two_nodes"))
        .arg("kill")
        .args([directory.path().as_os_str(), mode.as_ref()])
        .args([&kills.to_string(), SECONDS, &seed.to_string()])
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    print!("{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn nothing_is_lost_or_repeated_through_kills() {
    let output = two_nodes("kept", 200, 1);
    assert_eq!(output.status.code(), Some(0));
    // "kept: 200 kills, 90 of 90 payments done, ..."
    let summary = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u32> = summary.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [kills, done, asked, ..] = numbers[..] else { panic!("{summary}") };
    assert!(kills >= 20 && done >= 10 && done == asked, "{summary}");
}

/// Messages that leave before the commit that covers them.
#[test]
fn messages_that_leave_early_are_caught() {
    let output = two_nodes("early", 100, 2);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("VIOLATION: "));
}

/// The manager and the monitors in LDK's file store, each written at its own time.
#[test]
fn a_manager_apart_from_its_monitors_is_caught() {
    let output = two_nodes("files", 100, 3);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("VIOLATION: "));
}
