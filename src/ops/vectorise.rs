/// Defines a function over slices once and compiles its body for the vector units that a machine may have; which one runs
/// is found out at run time ([`processor`](crate::processor)).
///
/// The compiler neither reorders nor contracts floating-point operations, so every version computes the same bits.
/// Bodies should be loops over slices whose innermost calls are `#[inline(always)]` or closures of a few operations.
macro_rules! vectorise {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body($($arg: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx512($($arg: $type),*) $(-> $result)? {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2($($arg: $type),*) $(-> $result)? {
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

pub(super) use vectorise;
