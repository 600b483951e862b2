//! How the options of a stage are defined.

/// Defines a stage's options: one definition for flag, TOML key and help.
#[doc(hidden)]
#[macro_export]
macro_rules! stage_options {
    ($(#[$meta:meta])* $name:ident, $heading:literal { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "clap", derive(clap::Args))]
        #[cfg_attr(feature = "clap", command(next_help_heading = $heading))]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "Option::is_none")]
                #[cfg_attr(feature = "clap", arg(long))]
                pub $field: Option<$type>,
            )*
        }

        impl $name {
            /// These options where given, `other`'s elsewhere.
            #[must_use]
            pub fn or(self, other: Self) -> Self {
                Self { $($field: self.$field.or(other.$field),)* }
            }
        }
    };
}

pub use stage_options as options;
