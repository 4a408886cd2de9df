//! Enums of names that the kernel prints. A newer kernel may print others, which are kept as they are.

/// A name that no variant has. Only `from_name` makes one, so that equal names are equal values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnknownName(pub(super) Box<str>);

/// Defines an enum of the kernel's names, each of which is parsed from and printed as its text, and `Other` for a name
/// of a newer kernel.
macro_rules! kernel_names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A name that this version does not know.
            Other(UnknownName),
        }

        impl $name {
            /// The names of this version, in the order of the variants.
            pub const NAMES: &[&str] = &[$($text),+];

            /// The name that the kernel prints.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(name) => &name.0,
                }
            }

            /// The value with the name in these bytes. Only bytes that are not UTF-8 have none.
            pub(crate) fn from_bytes(name: &[u8]) -> Option<Self> {
                $(if name == $text.as_bytes() {
                    return Some(Self::$variant);
                })+
                std::str::from_utf8(name).ok().map(Self::from_name)
            }

            /// The value with this name. Every text has one: `Other` where no variant has the name.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($text => Self::$variant,)+
                    _ => Self::Other(UnknownName(name.into())),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(super) use kernel_names;
