//! Which instructions of the processor are used: the only place that asks for them.
//!
//! The widest that the processor has, unless the environment variable `COEMBED_INSTRUCTIONS` names a narrower set (`portable`, `avx2`,
//! `avx-vnni`, `avx512`, `avx512-vnni`): then none above that. It is read once, and there for tests of every path on one machine.

use std::sync::OnceLock;

/// Sets of instructions of x86-64, the narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instructions {
    /// AVX2 and fused multiply-add.
    Avx2,
    /// 8-bit products on AVX2's registers.
    AvxVnni,
    /// AVX-512 F, VL, DQ and BW, with all of AVX2.
    Avx512,
    /// 8-bit products on AVX-512's registers.
    Avx512Vnni,
}

use Instructions::{Avx2, Avx512, Avx512Vnni, AvxVnni};

/// All sets with the names that the environment variable takes.
const SETS: [(Instructions, &str); 4] =
    [(Avx2, "avx2"), (AvxVnni, "avx-vnni"), (Avx512, "avx512"), (Avx512Vnni, "avx512-vnni")];

impl Instructions {
    fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Whether these may be used: the processor has them, and nothing narrower was asked for.
    #[inline]
    pub(crate) fn usable(self) -> bool {
        static FOUND: OnceLock<u8> = OnceLock::new();
        let found = *FOUND.get_or_init(|| up_to(std::env::var("COEMBED_INSTRUCTIONS").ok().as_deref()));
        #[cfg(test)]
        let found = found & tests::ALLOWED.get();
        found & self.bit() != 0
    }
}

#[cfg(target_arch = "x86_64")]
fn detected(set: Instructions) -> bool {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = || {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
    };
    avx2 && match set {
        Avx2 => true,
        AvxVnni => is_x86_feature_detected!("avxvnni"),
        Avx512 => avx512(),
        Avx512Vnni => avx512() && is_x86_feature_detected!("avx512vnni"),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected(_: Instructions) -> bool {
    false
}

/// The bits of all sets that the processor has, none above the named one; none at all, with a warning, where the name is none.
fn up_to(name: Option<&str>) -> u8 {
    let sets = match name {
        None => SETS.len(),
        Some("portable") => 0,
        Some(name) => {
            let place = SETS.iter().position(|(_, known)| *known == name);
            if place.is_none() {
                tracing::warn!("COEMBED_INSTRUCTIONS={name}: no such instructions; the portable path is taken");
            }
            place.map_or(0, |place| place + 1)
        }
    };
    SETS[..sets].iter().filter(|(set, _)| detected(*set)).fold(0, |bits, (set, _)| bits | set.bit())
}

/// Defines a function over slices once and compiles its body for the vector units that a machine may have; which one runs
/// is found out at run time ([`Instructions`]).
///
/// The compiler neither reorders nor contracts floating-point operations, so every version computes the same bits.
/// Bodies should be loops over slices whose innermost calls are `#[inline(always)]` or closures of a few operations.
macro_rules! vectorise {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$life:lifetime>)? ($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name $(<$life>)? ($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body $(<$life>)? ($($arg: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx512 $(<$life>)? ($($arg: $type),*) $(-> $result)? {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2 $(<$life>)? ($($arg: $type),*) $(-> $result)? {
                    body($($arg),*)
                }
                if $crate::processor::Instructions::Avx512.usable() {
                    // SAFETY: the machine has the features that the function is compiled for.
                    return unsafe { avx512($($arg),*) };
                }
                if $crate::processor::Instructions::Avx2.usable() {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}

pub(crate) use vectorise;

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local!(pub(super) static ALLOWED: Cell<u8> = const { Cell::new(u8::MAX) });

    /// The results of `f` on every path that this machine can run, the portable one first. `f` runs on a pool of one thread: what it hands to
    /// rayon takes the same path.
    pub(crate) fn on_every_path<R: Send>(f: impl Fn() -> R + Sync) -> Vec<(&'static str, R)> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let sets = SETS.iter().filter(|(set, _)| set.usable()).map(|(_, name)| *name);
        let run = |name| {
            pool.install(|| {
                ALLOWED.set(up_to(Some(name)));
                f()
            })
        };
        std::iter::once("portable").chain(sets).map(|name| (name, run(name))).collect()
    }

    #[test]
    fn nothing_above_what_is_asked_for_is_used() {
        let all = up_to(None);
        assert_eq!(up_to(Some("portable")), 0);
        assert_eq!(up_to(Some("avx2")), all & Avx2.bit());
        assert_eq!(up_to(Some("avx512-vnni")), all);
        let usable = on_every_path(|| SETS.map(|(set, _)| set.usable()));
        assert_eq!(usable[0].1, [false; 4]);
        for (name, used) in &usable[1..] {
            let place = SETS.iter().position(|(_, known)| known == name).unwrap();
            assert!(used[place] && used[place + 1..].iter().all(|used| !used), "{name}: {used:?}");
        }
    }
}
