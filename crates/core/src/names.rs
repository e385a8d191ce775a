//! Names of enum values: one table per enum, used wherever a name is read or written.

/// An enum whose values have names. Implemented by [`names!`](crate::names!).
pub trait Named: Copy + 'static {
    /// Every value, in the order in which messages list them.
    const VALUES: &'static [Self];

    /// The name of this value in scenarios, reports and JSON.
    fn name_of(self) -> &'static str;

    /// The value with this name, or `None` if no value has it.
    fn named(name: &str) -> Option<Self> {
        let mut values = Self::VALUES.iter().copied();
        values.find(|value| value.name_of() == name)
    }

    /// All names, in the order of [`Self::VALUES`].
    fn all_names() -> Vec<&'static str> {
        Self::VALUES.iter().map(|value| value.name_of()).collect()
    }
}

/// Gives each variant of a plain enum its name.
///
/// The table is checked by the compiler: a variant without a name does not build. It is the only place where the names
/// are written: scenario files, error messages, reports and JSON all use it.
///
/// Generates `ALL`, `name` and `from_name`, and implements [`Named`](crate::names::Named), `Serialize` and
/// `Deserialize`.
#[macro_export]
macro_rules! names {
    ($type:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, in the order in which messages list them.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name in scenarios, reports and JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            /// The value with this name, or `None` if no value has it.
            pub fn from_name(name: &str) -> Option<Self> {
                <Self as $crate::names::Named>::named(name)
            }
        }

        impl $crate::names::Named for $type {
            const VALUES: &'static [Self] = &Self::ALL;

            fn name_of(self) -> &'static str {
                self.name()
            }
        }

        impl $crate::names::serde::Serialize for $type {
            fn serialize<S>(&self, serializer: S) -> Result<S::Ok, S::Error>
            where
                S: $crate::names::serde::Serializer,
            {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> $crate::names::serde::Deserialize<'de> for $type {
            fn deserialize<D>(deserializer: D) -> Result<Self, D::Error>
            where
                D: $crate::names::serde::Deserializer<'de>,
            {
                $crate::names::deserialize(deserializer)
            }
        }
    };
}

#[doc(hidden)]
pub use serde;

/// Reads a name from JSON.
#[doc(hidden)]
pub fn deserialize<'de, T: Named, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    use serde::de::Error as _;
    let name = <String as serde::Deserialize>::deserialize(deserializer)?;
    T::named(&name).ok_or_else(|| {
        let known = T::all_names().join(", ");
        D::Error::custom(format_args!(
            "unknown name `{name}`, expected one of {known}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use crate::fault::catalog::FaultKind;

    #[test]
    fn every_name_reads_back_as_its_value() {
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::from_name(kind.name()), Some(kind));
            let json = serde_json::to_string(&kind).expect("a name is JSON");
            assert_eq!(json, format!("\"{}\"", kind.name()));
            assert_eq!(serde_json::from_str::<FaultKind>(&json).ok(), Some(kind));
        }
    }

    #[test]
    fn an_unknown_name_in_json_is_an_error_that_lists_the_known_ones() {
        let error = serde_json::from_str::<FaultKind>("\"lose-everything\"").unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("`lose-everything`") && message.contains("lose-primary"),
            "{message}"
        );
    }
}
