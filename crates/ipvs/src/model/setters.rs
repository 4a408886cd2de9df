//! Generates the methods that change one field of a type that may get more fields.

/// For each field a method of its name, which returns the value with another value of the field.
macro_rules! setters {
    ($type:ty: $($field:ident: $kind:ty,)+) => {
        impl $type {
            $(
                #[doc = concat!("This value with another [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
                #[must_use]
                pub fn $field(self, $field: $kind) -> Self {
                    Self { $field, ..self }
                }
            )+
        }
    };
}
