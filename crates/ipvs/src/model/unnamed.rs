//! Numbers of the kernel that this version has no name for.
//!
//! An enum of names has a variant for every other number. Its type rejects the numbers with a
//! name, so that two values are equal exactly when the kernel reads the same number from them.

macro_rules! unnamed_number {
    ($(#[$doc:meta])* $name:ident($number:ty), but for $named:pat) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($number);

        impl $name {
            /// The number, unless it has a name or the kernel does not keep it.
            pub const fn new(number: $number) -> Option<Self> {
                match number {
                    $named => None,
                    _ => Some(Self(number)),
                }
            }

            /// The number.
            pub const fn number(self) -> $number {
                self.0
            }
        }
    };
}
