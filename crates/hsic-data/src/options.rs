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
            /// What stands over the options in a help text.
            pub const HEADING: &'static str = $heading;

            /// Names of the options, as fields.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

            /// These options where given, `other`'s elsewhere.
            #[must_use]
            pub fn or(self, other: Self) -> Self {
                Self { $($field: self.$field.or(other.$field),)* }
            }
        }
    };
}

/// Gives a type the conversions by which serde reads and writes it as the text of its `FromStr` and `Display`; the type
/// says `#[serde(try_from = "String", into = "String")]`.
#[doc(hidden)]
#[macro_export]
macro_rules! serde_as_text {
    ($name:ty) => {
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = <Self as std::str::FromStr>::Err;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

pub use stage_options as options;
