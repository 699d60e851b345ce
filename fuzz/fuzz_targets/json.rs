//! Any bytes as JSON: no panic, budgets respected.
#![no_main]

use coembed_fuzz::check_tree;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| check_tree(bytes, "json"));
